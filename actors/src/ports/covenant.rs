//! Signing unbondings with a covenant key, wherever that key is kept: in the node's own key file or
//! in an offline wallet.
//!
//! Always holds: whoever orders a signature has checked every rule before; a signer checks nothing
//! but that it has the key. What it gives back is verified by the one who ordered it.

use bitcoin::{Psbt, PublicKey, secp256k1::schnorr::Signature};
use futures::future::BoxFuture;
use trestle_staking::tx::{Spend, Unbonding, member_psbt};

/// One unbonding to sign, with all that a signer of any kind needs.
#[derive(Clone, Debug)]
pub struct SigningOrder {
    /// The unsigned transaction, the staking output that its only input spends, and the unbonding
    /// script with its control block.
    pub spend: Spend,
    /// What is signed: BIP-341, script path, SIGHASH_DEFAULT.
    pub sighash: [u8; 32],
    /// The covenant key, with the parity that the global parameters give.
    pub key: PublicKey,
}

impl SigningOrder {
    /// Of a checked unbonding.
    pub fn new(unbonding: &Unbonding<'_>, key: PublicKey) -> Self {
        Self { spend: unbonding.spend().clone(), sighash: unbonding.sighash(), key }
    }

    /// For a wallet: version 0, one input with the staking output, the unbonding leaf, and the key
    /// without a path. Read the answer with [`trestle_staking::tx::signature_of`].
    pub fn psbt(&self) -> Psbt {
        member_psbt(&self.spend, &self.key)
    }
}

/// Signs unbondings.
pub trait SignUnbonding: Send + Sync + 'static {
    /// The signature for one order.
    fn sign(&self, order: SigningOrder) -> BoxFuture<'_, Result<Signature, SignError>>;

    /// The signatures for many, in their order: as many answers as orders. A signer that can do
    /// several at once does it here; this way is one after another.
    fn sign_many(
        &self,
        orders: Vec<SigningOrder>,
    ) -> BoxFuture<'_, Vec<Result<Signature, SignError>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(orders.len());
            for order in orders {
                answers.push(self.sign(order).await);
            }
            answers
        })
    }
}

/// Why there is no signature. None of them says anything against the request: all but
/// [`SignError::NotHeld`] are worth another try later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The wallet is encrypted and not unlocked.
    #[error("the wallet is locked: its operator has to unlock it with walletpassphrase")]
    Locked,
    /// The signer does not have this key.
    #[error("the signer does not hold covenant key {0}: import it, or correct [staking.members]")]
    NotHeld(PublicKey),
    /// The signer does not answer; with the reason.
    #[error("the signer is unavailable: {0}")]
    Unavailable(String),
    /// The signer answered with something that cannot be used; with what.
    #[error("unusable answer from the signer: {0}")]
    Malformed(String),
}

impl SignError {
    /// Whether the same order may succeed later without a change to this node's config.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Locked | Self::Unavailable(_) | Self::Malformed(_) => true,
            Self::NotHeld(_) => false,
        }
    }
}
