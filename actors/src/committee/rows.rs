//! What a member stores.

use bincode::{Decode, Encode};
use trestle_store::{Table, table::Key};
use trestle_wire::{
    BootId, Hash32, KeyRef, SessionId, codec,
    committee::{
        dkg::{DkgSession, PublicKeys},
        key::KeyReady,
    },
};

/// Key shares, by attempt.
pub(crate) const KEYS: Table<AttemptKey, KeyRow> = Table::new("committee.keys", 1);
/// Nonces that were used, and what for.
pub(crate) const BURNS: Table<BurnKey, Burn> = Table::new("committee.burns", 1);
/// Payments agreed to.
pub(crate) const PAYMENTS: Table<[u8; 32], trestle_chain::ledger::Entry> =
    Table::new("committee.payments", 2);
/// One row: how many decisions were stored.
pub(crate) const SEQUENCE: Table<[u8; 0], u64> = Table::new("committee.sequence", 1);

/// A key share that this member has stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyRow {
    /// The key, as this member computed it.
    pub public: PublicKeys,
    /// Hash of the round-1 packages.
    pub transcript: Hash32,
    /// The key share, sealed by the vault.
    pub sealed: Vec<u8>,
    /// Number of the decision that stored it: a share that is stored later proves its key, whatever
    /// the numbers of the attempts, which a coordinator may have forgotten.
    pub sequence: u64,
    /// Height of this member's best block at that time, 0 if it did not know it.
    pub birth: u32,
    /// Everyone's certificates and the proof; without them the key is not used.
    pub ready: Option<KeyReady>,
}

/// Nonces that were used. The share may be sent again, and is never computed again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Burn {
    /// How many, from the number in the key on.
    pub count: u64,
    /// Hash of the request they were used for.
    pub package: Hash32,
    /// The session of that request.
    pub session: SessionId,
    /// Its attempt.
    pub attempt: u32,
    /// The answer.
    pub shares: Vec<[u8; 32]>,
}

/// Key of [`KEYS`]: sorts by committee, generation, epoch, attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AttemptKey(pub(crate) DkgSession);

impl Key for AttemptKey {
    fn to_key(&self) -> Vec<u8> {
        codec::encode(&self.0)
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes).ok().map(Self)
    }
}

/// Key of [`BURNS`]: which nonces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BurnKey {
    pub(crate) key: KeyRef,
    pub(crate) boot: BootId,
    pub(crate) coordinator: trestle_wire::Peer,
    pub(crate) first: u64,
}

impl Key for BurnKey {
    fn to_key(&self) -> Vec<u8> {
        codec::encode(&(&self.key, self.boot, self.coordinator, self.first.to_be_bytes()))
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (key, boot, coordinator, first): (KeyRef, BootId, trestle_wire::Peer, [u8; 8]) =
            codec::decode(bytes).ok()?;
        Some(Self { key, boot, coordinator, first: u64::from_be_bytes(first) })
    }
}
