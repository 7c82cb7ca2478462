//! Finished keys, and what a member remembers.

use bincode::{Decode, Encode};

use super::{
    MAX_MEMBERS, MemberSignature, Signature, check_key,
    dkg::{DkgSession, PublicKeys},
};
use crate::{
    codec::{DecodeError, at_most},
    primitives::{BootId, Hash32, KeyRef},
};

/// Most keys that one [`KeyFetch`] of a coordinator is answered with; it asks again for more.
pub const FETCHED_KEYS: usize = 8;

/// Everything that makes a key usable. Coordinator to member: durable. Member to coordinator: the
/// answer to a [`KeyFetch`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyReady {
    /// The attempt that made the key.
    pub session: DkgSession,
    /// The key.
    pub public: PublicKeys,
    /// Hash of the round-1 packages.
    pub transcript: Hash32,
    /// One certificate of every member, in order of index.
    pub certificates: Vec<MemberSignature>,
    /// Threshold signature over the mock transaction of this key.
    pub proof: Signature,
    /// Height of the sender's best block when the key was certified, 0 if it did not know: a hint
    /// for where to start looking for coins. Nobody signs it, and nothing else may follow from it.
    pub birth: u32,
}

/// Member to coordinator, or coordinator to member: send me the keys that I do not list.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyFetch {
    /// The committee.
    pub committee: String,
    /// Keys that need not be sent.
    pub have: Vec<KeyRef>,
}

/// What a member says of itself when it connects to a coordinator, after each change, and when its
/// bitcoind has a new block (at most every 2 seconds). The
/// coordinator sends the latest one back, so that a member restored from an old copy notices.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberStatus {
    /// The committee.
    pub committee: String,
    /// The member's present boot.
    pub boot: BootId,
    /// Rises with every decision that the member has stored.
    pub sequence: u64,
    /// The Bitcoin height it sees.
    pub height: u32,
    /// Usable keys it has a share of.
    pub keys: Vec<KeyRef>,
    /// Its signature over all of the above.
    pub by: MemberSignature,
}

impl KeyReady {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.session.key)?;
        self.public.check()?;
        at_most("certificates", self.certificates.len(), MAX_MEMBERS)
    }
}

impl KeyFetch {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        at_most("committee name", self.committee.len(), 32)?;
        at_most("keys", self.have.len(), 64)?;
        self.have.iter().try_for_each(check_key)
    }
}

impl MemberStatus {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        at_most("committee name", self.committee.len(), 32)?;
        at_most("keys", self.keys.len(), 64)?;
        self.keys.iter().try_for_each(check_key)
    }
}
