//! The spaces of the index, and their keys.
//!
//! | space | key | row |
//! |---|---|---|
//! | `staking.delegation` | staker, inverted height, txid | a delegation whose stake is confirmed |
//! | `staking.txid` | staking txid | where its delegation is |
//! | `staking.unbonding` | unbonding txid | the staking transaction |
//! | `staking.orphan` | staking txid | a request whose stake has left the chain |
//! | `staking.window` | height | what a block holds that is not deep enough |
//! | `staking.at` | height, kind | which delegations a confirmed block or tip changed |
//! | `staking.expiry` | tip, output, txid | a timelock that is waited for |
//! | `staking.told` | staking txid | what outsiders know of what a reorganisation changed |
//! | `staking.provider`, `staking.staker` | key | counters |
//! | `staking.provider_rank`, `staking.staker_rank` | inverted active TVL, key | the same counters |
//! | `staking.totals`, `staking.head`, `staking.params` | – | one row each |
//! | `staking.event` | number of the last of them | events, in their order |
//! | `staking.request`, `staking.request_open`, `staking.request_dropped` | txid | [`pipeline`](super::pipeline) |
//! | `staking.address`, `staking.addressed` | witness program, – | [`addresses`](super::addresses) |
//! | `staking.amqp` | – | the number of the last event that the broker has |
//!
//! Transaction ids in keys are in display order, so that rows sort as people write them.

use bitcoin::{Txid, hashes::Hash};
use trestle_chain::Stored;
use trestle_staking::{
    delegation::{Delegation, Output, StakerKey},
    tally::{Counters, Totals},
};
use trestle_store::{Table, table::Key};

use super::{
    events::EventRow,
    rows::{DelegationKey, DelegationRow, Head, TxidRow, WindowBlock},
};

pub(super) const DELEGATIONS: Table<DelegationKey, DelegationRow> =
    Table::new("staking.delegation", 1);
pub(super) const TXIDS: Table<TxKey, TxidRow> = Table::new("staking.txid", 1);
pub(super) const UNBONDINGS: Table<TxKey, Stored<Txid>> = Table::new("staking.unbonding", 1);
pub(super) const ORPHANS: Table<TxKey, Delegation> = Table::new("staking.orphan", 1);
pub(super) const WINDOW: Table<u32, WindowBlock> = Table::new("staking.window", 1);
pub(super) const AT: Table<AtKey, Vec<Stored<Txid>>> = Table::new("staking.at", 1);
pub(super) const EXPIRY: Table<DueKey, DelegationKey> = Table::new("staking.expiry", 1);
pub(super) const TOLD: Table<TxKey, Delegation> = Table::new("staking.told", 1);
pub(super) const PROVIDERS: Table<[u8; 32], Counters> = Table::new("staking.provider", 1);
pub(super) const STAKERS: Table<[u8; 32], Counters> = Table::new("staking.staker", 1);
pub(super) const PROVIDER_RANKS: Table<RankKey, Counters> = Table::new("staking.provider_rank", 1);
pub(super) const STAKER_RANKS: Table<RankKey, Counters> = Table::new("staking.staker_rank", 1);
pub(super) const TOTALS: Table<[u8; 0], Totals> = Table::new("staking.totals", 1);
pub(super) const HEAD: Table<[u8; 0], Head> = Table::new("staking.head", 1);
pub(super) const PARAMS: Table<[u8; 0], String> = Table::new("staking.params", 1);
pub(super) const EVENTS: Table<u64, Vec<EventRow>> = Table::new("staking.event", 2);
pub(super) const PUBLISHED: Table<[u8; 0], u64> = Table::new("staking.amqp", 1);

/// A transaction id as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TxKey(pub(super) Txid);

impl Key for TxKey {
    fn to_key(&self) -> Vec<u8> {
        shown(self.0).to_vec()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        txid(bytes).map(Self)
    }
}

fn shown(txid: Txid) -> [u8; 32] {
    let mut bytes = txid.to_byte_array();
    bytes.reverse();
    bytes
}

fn txid(shown: &[u8]) -> Option<Txid> {
    let mut bytes: [u8; 32] = shown.try_into().ok()?;
    bytes.reverse();
    Some(Txid::from_byte_array(bytes))
}

impl Key for DelegationKey {
    fn to_key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(68);
        key.extend(self.staker.0);
        key.extend((!self.height).to_be_bytes());
        key.extend(shown(*self.txid));
        key
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (staker, rest) = bytes.split_first_chunk::<32>()?;
        let (height, rest) = rest.split_first_chunk::<4>()?;
        let height = !u32::from_be_bytes(*height);
        Some(Self { staker: StakerKey(*staker), height, txid: Stored(txid(rest)?) })
    }
}

/// What changed delegations at a height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AtKind {
    /// Stakes of the block, in its order.
    Stakes,
    /// Spends in the block, in its order.
    Spends,
    /// Timelocks that end at this tip.
    Ends,
}

impl AtKind {
    pub(super) const ALL: [Self; 3] = [Self::Stakes, Self::Spends, Self::Ends];

    const fn number(self) -> u8 {
        match self {
            Self::Stakes => 0,
            Self::Spends => 1,
            Self::Ends => 2,
        }
    }
}

/// Key of [`AT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AtKey {
    pub(super) height: u32,
    pub(super) kind: AtKind,
}

impl Key for AtKey {
    fn to_key(&self) -> Vec<u8> {
        let mut key = self.height.to_be_bytes().to_vec();
        key.push(self.kind.number());
        key
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (height, [number]) = bytes.split_first_chunk::<4>()? else { return None };
        let kind = AtKind::ALL.into_iter().find(|kind| kind.number() == *number)?;
        Some(Self { height: u32::from_be_bytes(*height), kind })
    }
}

/// Key of [`EXPIRY`]: sorts by the tip at which the timelock ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DueKey {
    pub(super) at: u32,
    pub(super) output: Output,
    pub(super) txid: Txid,
}

impl Key for DueKey {
    fn to_key(&self) -> Vec<u8> {
        let output = match self.output {
            Output::Staking => 0,
            Output::Unbonding => 1,
        };
        let mut key = self.at.to_be_bytes().to_vec();
        key.push(output);
        key.extend(shown(self.txid));
        key
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (at, rest) = bytes.split_first_chunk::<4>()?;
        let (output, rest) = rest.split_first()?;
        let output = match output {
            0 => Output::Staking,
            1 => Output::Unbonding,
            _ => return None,
        };
        Some(Self { at: u32::from_be_bytes(*at), output, txid: txid(rest)? })
    }
}

/// Key of the ranks: the highest active TVL first, then by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RankKey {
    pub(super) active_tvl: u64,
    pub(super) key: [u8; 32],
}

impl Key for RankKey {
    fn to_key(&self) -> Vec<u8> {
        let mut bytes = (!self.active_tvl).to_be_bytes().to_vec();
        bytes.extend(self.key);
        bytes
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (active_tvl, key) = bytes.split_first_chunk::<8>()?;
        let active_tvl = !u64::from_be_bytes(*active_tvl);
        Some(Self { active_tvl, key: key.try_into().ok()? })
    }
}
