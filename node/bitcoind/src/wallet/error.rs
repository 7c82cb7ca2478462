//! Why an offline wallet gives no signature.

use bitcoin::{PublicKey, TapSighashType};
use trestle_actors::ports::{ChainError, SignError};

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// Its bitcoind does not answer, is starting, refuses us, or is on another chain.
    #[error("the wallet's bitcoind: {0}")]
    Chain(#[from] ChainError),
    /// bitcoind has loaded no wallet of this name.
    #[error("bitcoind has not loaded a wallet {0:?}: load it with loadwallet, or correct its name")]
    NotLoaded(String),
    /// It watches addresses and holds no keys.
    #[error("wallet {0:?} was made without private keys: import the covenant key into another")]
    WatchOnly(String),
    /// It is encrypted and not unlocked.
    #[error("the wallet is locked: its operator has to unlock it with walletpassphrase")]
    Locked,
    /// It has not signed for this key.
    #[error("the wallet does not hold covenant key {0}: import it, or correct the signer's config")]
    NotHeld(PublicKey),
    /// It signed something else than all of the transaction.
    #[error("the wallet signed with sighash {0}, expected SIGHASH_DEFAULT")]
    Sighash(TapSighashType),
    /// Its signature does not verify.
    #[error("the wallet's signature of covenant key {0} does not verify")]
    Invalid(PublicKey),
    /// bitcoind refused the PSBT, with its own words.
    #[error("the wallet refused to sign: {0}")]
    Refused(String),
    /// An answer of another form.
    #[error("the wallet's answer cannot be read: {0}")]
    Malformed(String),
}

impl From<WalletError> for SignError {
    fn from(error: WalletError) -> Self {
        let text = error.to_string();
        match error {
            WalletError::Locked => Self::Locked,
            WalletError::NotHeld(key) => Self::NotHeld(key),
            WalletError::Chain(_)
            | WalletError::NotLoaded(_)
            | WalletError::WatchOnly(_)
            | WalletError::Refused(_) => Self::Unavailable(text),
            WalletError::Sighash(_) | WalletError::Invalid(_) | WalletError::Malformed(_) => {
                Self::Malformed(text)
            }
        }
    }
}
