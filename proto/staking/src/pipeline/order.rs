//! What was asked for.

use bincode::{Decode, Encode};
use bitcoin::{Amount, OutPoint, Transaction, Txid, XOnlyPublicKey, secp256k1::schnorr::Signature};
use trestle_chain::Stored;

use crate::{
    Stake, VersionParams,
    delegation::{ProviderKey, StakerKey},
    tx::Unbonding,
};

/// The x coordinate of a covenant member's key.
pub type MemberKey = [u8; 32];

/// A checked request: the stake, its one unbonding transaction, and the staker's signature.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Order {
    pub(super) outpoint: Stored<OutPoint>,
    pub(super) staker: StakerKey,
    pub(super) provider: ProviderKey,
    /// In sat.
    pub(super) value: u64,
    pub(super) time: u16,
    pub(super) params_version: u64,
    /// Of the stake's block, when the request was last checked.
    pub(super) height: u32,
    /// Without witness.
    pub(super) transaction: Stored<Transaction>,
    pub(super) sighash: [u8; 32],
    /// The staker's.
    pub(super) signature: [u8; 64],
    /// The committee, ascending.
    pub(super) members: Vec<MemberKey>,
    pub(super) quorum: u32,
}

impl Order {
    /// Of an unbonding that passed [`crate::tx::check_request`] with this signature, for a stake in
    /// the block at `height`.
    pub fn new(
        stake: &Stake,
        height: u32,
        params: &VersionParams,
        unbonding: &Unbonding<'_>,
        staker: &Signature,
    ) -> Self {
        let members = params.covenant.keys().iter().map(XOnlyPublicKey::serialize);
        Self {
            outpoint: Stored(stake.outpoint),
            staker: stake.staker.into(),
            provider: stake.finality_provider.into(),
            value: stake.value.to_sat(),
            time: stake.time,
            params_version: stake.params_version,
            height,
            transaction: Stored(unbonding.transaction().clone()),
            sighash: unbonding.sighash(),
            signature: staker.serialize(),
            members: members.collect(),
            quorum: params.covenant.quorum(),
        }
    }

    /// The unbonding transaction's id, which names the request.
    pub fn txid(&self) -> Txid {
        self.transaction.compute_txid()
    }

    /// The staking output.
    pub fn outpoint(&self) -> OutPoint {
        *self.outpoint
    }

    /// The unbonding transaction without witness.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// What staker and members sign.
    pub fn sighash(&self) -> [u8; 32] {
        self.sighash
    }

    /// The version of the parameters that it was checked under.
    pub fn params_version(&self) -> u64 {
        self.params_version
    }

    /// The height of the stake's block when it was last checked.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The committee, ascending.
    pub fn members(&self) -> &[MemberKey] {
        &self.members
    }

    /// How many members must sign.
    pub fn quorum(&self) -> u32 {
        self.quorum
    }

    /// The staker's signature.
    ///
    /// # Errors
    /// Only if the row it was read from is damaged.
    pub fn signature(&self) -> Result<Signature, bitcoin::secp256k1::Error> {
        Signature::from_slice(&self.signature)
    }

    /// The stake, to build its unbonding anew.
    ///
    /// # Errors
    /// Only if the row it was read from is damaged.
    pub fn stake(&self) -> Result<Stake, bitcoin::secp256k1::Error> {
        Ok(Stake {
            outpoint: *self.outpoint,
            staker: XOnlyPublicKey::from_slice(&self.staker.0)?,
            finality_provider: XOnlyPublicKey::from_slice(&self.provider.0)?,
            value: Amount::from_sat(self.value),
            time: self.time,
            params_version: self.params_version,
        })
    }

    /// What the transaction pays to miners, in sat.
    pub(super) fn fee(&self) -> u64 {
        let paid: u64 = self.transaction.output.iter().map(|output| output.value.to_sat()).sum();
        self.value.saturating_sub(paid)
    }
}
