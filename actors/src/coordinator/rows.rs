//! What the coordinator stores.

use bincode::{Decode, Encode};
use bitcoin::{OutPoint, Txid, hashes::Hash};
use trestle_chain::{payment::Payment, wallet::CoinRow};
use trestle_store::{Table, outbox::Outbox, table::Key};
use trestle_wire::{
    KeyRef, MessageId, codec,
    committee::key::{KeyReady, MemberStatus},
};

use super::DeliveryKey;

/// Usable keys.
pub(super) const KEYS: Table<StoredKeyRef, KeyRow> = Table::new("coordinator.keys", 1);
/// Key announcements that members have not taken yet.
pub(super) const ANNOUNCEMENTS: Outbox<DeliveryKey, Announcement> =
    Outbox::new("coordinator.announcements", 1);
/// One row a committee: the number of the last key generation attempt.
pub(super) const ATTEMPTS: Table<String, u32> = Table::new("coordinator.attempts", 1);
/// The latest status of each member.
pub(super) const STATUSES: Table<MemberKey, MemberStatus> = Table::new("coordinator.statuses", 1);
/// Payments by id.
pub(super) const PAYMENTS: Table<[u8; 32], PaymentRow> = Table::new("coordinator.payments", 1);
/// Coins.
pub(super) const COINS: Table<CoinKey, CoinRow> = Table::new("coordinator.coins", 1);
/// Coins set aside.
pub(super) const FROZEN: Table<CoinKey, ()> = Table::new("coordinator.frozen", 1);

/// A usable key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct KeyRow {
    /// What makes it usable.
    pub(super) ready: KeyReady,
    /// Height before which nothing can have been paid to it.
    pub(super) birth: u32,
}

/// A durable message that is owed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Announcement {
    pub(super) id: MessageId,
    pub(super) ready: KeyReady,
}

/// A payment and what it was asked for with.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct PaymentRow {
    pub(super) committee: String,
    pub(super) idempotency_key: String,
    /// The rate asked for, in sat for 1,000 weight units.
    pub(super) rate: Option<u64>,
    /// Order of acceptance.
    pub(super) number: u64,
    pub(super) payment: Payment,
}

/// A [`KeyRef`] as a key: sorts by committee and generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StoredKeyRef(pub(super) KeyRef);

impl Key for StoredKeyRef {
    fn to_key(&self) -> Vec<u8> {
        codec::encode(&self.0)
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes).ok().map(Self)
    }
}

/// A member of a committee.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberKey {
    pub(super) committee: String,
    pub(super) index: u16,
}

impl Key for MemberKey {
    fn to_key(&self) -> Vec<u8> {
        codec::encode(&(&self.committee, self.index))
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (committee, index) = codec::decode(bytes).ok()?;
        Some(Self { committee, index })
    }
}

impl Key for DeliveryKey {
    fn to_key(&self) -> Vec<u8> {
        codec::encode(&(&self.key, self.index))
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (key, index) = codec::decode(bytes).ok()?;
        Some(Self { key, index })
    }
}

/// A coin of a committee.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CoinKey {
    pub(super) committee: String,
    pub(super) outpoint: OutPoint,
}

impl Key for CoinKey {
    fn to_key(&self) -> Vec<u8> {
        let OutPoint { txid, vout } = self.outpoint;
        codec::encode(&(&self.committee, txid.to_byte_array(), vout))
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (committee, txid, vout): (String, [u8; 32], u32) = codec::decode(bytes).ok()?;
        let outpoint = OutPoint { txid: Txid::from_byte_array(txid), vout };
        Some(Self { committee, outpoint })
    }
}
