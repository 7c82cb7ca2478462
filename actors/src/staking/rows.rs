//! What the index stores, row by row.
//!
//! Always holds: a row's size is bounded by what one transaction or one block can hold.

use bincode::{Decode, Encode};
use bitcoin::{Amount, BlockHash, OutPoint, Txid, XOnlyPublicKey, hashes::Hash};
use trestle_chain::Stored;
use trestle_staking::{
    Stake,
    delegation::{ConfirmedStake, Delegation, Exit, Output, StakerKey, Unbonding},
};

use crate::ports::chain::Tip;

/// Where a delegation's row is. In the store's order: by staker, then the highest block first, then
/// by transaction as people write it, so that a page of a staker's delegations is one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DelegationKey {
    /// Whose it is.
    pub staker: StakerKey,
    /// The height of the stake's block.
    pub height: u32,
    /// The staking transaction.
    pub txid: Stored<Txid>,
}

/// One delegation. Stored while its stake is confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DelegationRow {
    /// Its facts and so its state; a stake is among them.
    pub delegation: Delegation,
    /// The version of the parameters that it lives under.
    pub version: u64,
    /// The time in the header of the stake's block, in seconds since 1970.
    pub start_timestamp: u32,
    /// The staking transaction, as serialized.
    pub staking_tx: Vec<u8>,
    /// The unbonding transaction, once it is confirmed.
    pub unbonding_tx: Option<UnbondingTx>,
}

/// A confirmed unbonding transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UnbondingTx {
    /// As serialized.
    pub bytes: Vec<u8>,
    /// The time in the header of its block, in seconds since 1970.
    pub timestamp: u32,
}

impl DelegationRow {
    /// The stake as scripts are built from it. `None` only for a damaged row.
    pub fn stake(&self, txid: Txid) -> Option<Stake> {
        stake_of(txid, self.delegation.stake()?, self.version)
    }
}

/// A confirmed stake as scripts are built from it; `None` if its keys are none.
pub(super) fn stake_of(txid: Txid, stake: &ConfirmedStake, version: u64) -> Option<Stake> {
    Some(Stake {
        outpoint: OutPoint { txid, vout: stake.output_index },
        staker: XOnlyPublicKey::from_slice(&stake.staker.0).ok()?,
        finality_provider: XOnlyPublicKey::from_slice(&stake.provider.0).ok()?,
        value: Amount::from_sat(stake.value),
        time: stake.timelock,
        params_version: version,
    })
}

/// Under a staking transaction's id: where its delegation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TxidRow {
    /// Whose it is.
    pub staker: StakerKey,
    /// The height of the stake's block.
    pub height: u32,
    /// The staking output.
    pub output_index: u32,
}

/// How far the index is. One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Head {
    /// The first height that is looked at.
    pub start: u32,
    /// How many confirmations make a block count, its own included.
    pub depth: u32,
    /// The last block gone through; `None` before the first.
    pub tip: Option<HeadTip>,
    /// The first height whose block does not count yet.
    pub unconfirmed_from: u32,
    /// The number of the last event; 0 before the first.
    pub last_event: u64,
    /// While a reorganisation is under way: the tip before it. What it takes back and gives again
    /// is told when this height is reached once more.
    pub told_tip: Option<u32>,
}

/// The last block gone through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HeadTip {
    /// Its height.
    pub height: u32,
    /// Its hash, in internal order.
    pub hash: [u8; 32],
    /// The time in its header, in seconds since 1970.
    pub time: u32,
}

impl Head {
    /// Of an index that has seen nothing.
    pub const fn new(start: u32, depth: u32) -> Self {
        let (tip, last_event, told_tip) = (None, 0, None);
        Self { start, depth, tip, unconfirmed_from: start, last_event, told_tip }
    }

    /// The last block gone through.
    pub fn tip(&self) -> Option<Tip> {
        let tip = self.tip?;
        Some(Tip { height: tip.height, hash: BlockHash::from_byte_array(tip.hash) })
    }

    /// The height of the last block that counts.
    pub fn confirmed(&self) -> Option<u32> {
        self.unconfirmed_from.checked_sub(1).filter(|height| *height >= self.start)
    }

    /// Whether the reorganisation under way has taken back blocks that counted before it takes the
    /// tip, at `height`: the window had one block less than the depth, and they are more.
    pub fn undoes_counted(&self, height: u32) -> bool {
        self.told_tip.is_some_and(|told| told.saturating_sub(height) >= self.depth)
    }

    /// The height of the block that comes next.
    pub fn next(&self) -> u32 {
        self.tip.map_or(self.start, |tip| tip.height.saturating_add(1))
    }
}

/// What a block that is not deep enough holds. Rows without entries and counts are not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct WindowBlock {
    /// The time in its header, in seconds since 1970.
    pub time: u32,
    /// What its transactions do, in their order.
    pub entries: Vec<Entry>,
    /// What it holds that the parameters do not allow.
    pub invalid: Invalid,
}

impl WindowBlock {
    /// Whether nothing in it concerns the index.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.invalid == Invalid::default()
    }
}

/// What one transaction or input does.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Entry {
    /// A valid stake.
    Staked(StakeEntry),
    /// The unbonding of a stake.
    Unbonded {
        /// Where the delegation is, or will be.
        key: DelegationKey,
        /// The unbonding.
        unbonding: Unbonding,
        /// Its transaction, as serialized.
        tx: Vec<u8>,
    },
    /// Another spend of a delegation's output.
    Left {
        /// Where the delegation is, or will be.
        key: DelegationKey,
        /// Which output.
        from: Output,
        /// How and by what.
        exit: Exit,
    },
}

/// A valid stake. Whether it is overflow is decided when its block comes in: it depends on the
/// chain below it only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StakeEntry {
    /// Its transaction.
    pub txid: Stored<Txid>,
    /// What will be confirmed.
    pub stake: ConfirmedStake,
    /// The version of the parameters.
    pub version: u64,
    /// Its transaction, as serialized.
    pub tx: Vec<u8>,
}

impl StakeEntry {
    /// Where the delegation will be.
    pub const fn key(&self) -> DelegationKey {
        DelegationKey { staker: self.stake.staker, height: self.stake.height, txid: self.txid }
    }
}

/// Counts of what the parameters do not allow, in one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Invalid {
    /// Staking transactions with a value or time out of range.
    pub stakes: u32,
    /// Spends through the unbonding script that are not the unbonding of the parameters.
    pub unbondings: u32,
    /// Spends of stakes that are neither unbonding nor withdrawal.
    pub withdrawals_from_staking: u32,
    /// Spends of unbonding outputs that are no withdrawal.
    pub withdrawals_from_unbonding: u32,
}

impl Invalid {
    /// Adds another block's counts.
    pub fn add(&mut self, other: &Self) {
        let sum = |to: &mut u32, more: u32| *to = to.saturating_add(more);
        sum(&mut self.stakes, other.stakes);
        sum(&mut self.unbondings, other.unbondings);
        sum(&mut self.withdrawals_from_staking, other.withdrawals_from_staking);
        sum(&mut self.withdrawals_from_unbonding, other.withdrawals_from_unbonding);
    }
}
