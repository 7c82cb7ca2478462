//! What the coordinator stores.

use bincode::{Decode, Encode};
use bitcoin::{OutPoint, Txid, hashes::Hash};
use trestle_chain::{payment::Payment, stored::Stored, wallet::CoinRow};
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
/// Payments that are not over, by id.
pub(super) const PAYMENTS: Table<[u8; 32], PaymentRow> = Table::new("coordinator.payments", 3);
/// Payments that are over, by id: as many as there ever were, so they are never read all at once.
pub(super) const FINALS: Table<[u8; 32], PaymentRow> = Table::new("coordinator.final_payments", 3);
/// The ids of payments that are over, in order of acceptance.
pub(super) const FINAL_ORDER: Table<FinalKey, [u8; 32]> = Table::new("coordinator.final_order", 1);
/// One row a committee: how many payments are over.
pub(super) const TOTALS: Table<String, Totals> = Table::new("coordinator.totals", 2);
/// Coins.
pub(super) const COINS: Table<CoinKey, CoinRow> = Table::new("coordinator.coins", 1);
/// Coins set aside.
pub(super) const FROZEN: Table<CoinKey, ()> = Table::new("coordinator.frozen", 1);
/// The payments that members have bound coins to, or may have, beside those that are under way.
pub(super) const BOUND: Table<BoundKey, [u8; 32]> = Table::new("coordinator.bound", 1);

/// A usable key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct KeyRow {
    /// What makes it usable.
    pub(super) ready: KeyReady,
    /// Height before which nothing can have been paid to it.
    pub(super) birth: u32,
    /// A member taught it: that height is what members said.
    pub(super) learned: bool,
}

impl KeyRow {
    /// Whether this is the key that is announced. Heights are hints, and may differ.
    pub(super) fn is(&self, other: &KeyReady) -> bool {
        let ready = &self.ready;
        (&ready.session, &ready.public, ready.transcript)
            == (&other.session, &other.public, other.transcript)
    }
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
    /// The coin that it has to spend, if it was asked for to have that one back.
    pub(super) coin: Option<Stored<OutPoint>>,
    /// Order of acceptance.
    pub(super) number: u64,
    /// Milliseconds from the request to the first signed version, if one boot saw both.
    pub(super) sign_ms: Option<u64>,
    pub(super) payment: Payment,
}

/// How many payments of a committee are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Totals {
    pub(super) settled: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) used_before: u64,
}

/// Key of [`FINAL_ORDER`]: sorts by number within a committee.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FinalKey {
    pub(super) committee: String,
    pub(super) number: u64,
}

impl FinalKey {
    /// What the keys of one committee begin with, and no others.
    pub(super) fn prefix(committee: &str) -> Vec<u8> {
        codec::encode(&committee)
    }
}

impl Key for FinalKey {
    fn to_key(&self) -> Vec<u8> {
        [Self::prefix(&self.committee), self.number.to_be_bytes().to_vec()].concat()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (committee, number) = bytes.split_last_chunk::<8>()?;
        let committee = codec::decode(committee).ok()?;
        Some(Self { committee, number: u64::from_be_bytes(*number) })
    }
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

/// A coin, and a member that bound it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BoundKey {
    pub(super) coin: CoinKey,
    pub(super) member: u16,
}

impl Key for BoundKey {
    fn to_key(&self) -> Vec<u8> {
        [self.coin.to_key(), self.member.to_be_bytes().to_vec()].concat()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (coin, member) = bytes.split_last_chunk::<2>()?;
        Some(Self { coin: CoinKey::from_key(coin)?, member: u16::from_be_bytes(*member) })
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
