//! Messages between the members of a staking covenant and its coordinators: unbondings to sign, in
//! batches, and what came of each.
//!
//! Nothing here is secret or has to be delivered once: the same request has the same signature for
//! ever, and the coordinator asks again for what it did not get.

use bincode::{Decode, Encode};

use crate::{
    codec::{DecodeError, at_most},
    committee::{Point, Signature},
    primitives::SessionId,
};

/// Most unbondings in one message: at 16 kB to 25 kB a message is sent at once, and a member checks
/// and signs that many in about as many tenths of a millisecond.
pub const MAX_UNBONDINGS: usize = 100;
/// Most bytes of an unbonding transaction. The one form that members sign has 94 without witness;
/// the rest is so that a wrong one can be refused with its reason.
pub const MAX_UNBONDING: usize = 1_024;

/// Coordinator to member: check these unbondings and sign each.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UnbondingAsk {
    /// Made by the coordinator; the answer repeats it.
    pub id: SessionId,
    /// What is to be signed, at most [`MAX_UNBONDINGS`].
    pub unbondings: Vec<AskedUnbonding>,
}

/// One unbonding to sign. A member looks all else up itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AskedUnbonding {
    /// The staking transaction's id, in its internal (little-endian) byte order.
    pub staking: [u8; 32],
    /// The unbonding transaction, consensus-encoded, with or without witness.
    pub transaction: Vec<u8>,
    /// The staker's signature: BIP-341, script path, SIGHASH_DEFAULT.
    pub staker: Signature,
    /// The covenant key to sign with, with the parity that the global parameters give.
    pub key: Point,
}

/// Member to coordinator: what came of an [`UnbondingAsk`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UnbondingSigned {
    /// The ask's.
    pub id: SessionId,
    /// One for each unbonding of the ask, in its order.
    pub answers: Vec<UnbondingAnswer>,
}

/// What a member says to one unbonding. Numbered from 0 in this order, which is on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum UnbondingAnswer {
    /// Its signature.
    Signed(Signature),
    /// It does not sign.
    Refused(UnbondingRefusal),
}

/// Why a member does not sign an unbonding. The numbers are on the wire and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum UnbondingRefusal {
    /// The transaction cannot be read, or has not the form that is signed ahead of a broadcast.
    Form = 0,
    /// No valid stake of that id is in the member's chain.
    UnknownStake = 1,
    /// The stake came after the last height whose stakes this member still signs for.
    Retired = 2,
    /// The key is in no committee of the stake's version of the parameters.
    NotAMember = 3,
    /// The stake is in the chain, not deep enough yet.
    Unconfirmed = 4,
    /// The transaction does not spend the stake's output.
    Input = 5,
    /// Its output is not the one that the parameters demand.
    Output = 6,
    /// The staker's signature does not verify.
    StakerSignature = 7,
    /// The member's signer does not hold the key.
    NotHeld = 8,
    /// The member's signer cannot be used now, for example because its wallet is locked.
    SignerUnavailable = 9,
    /// The member's own bitcoind or index cannot be relied on now.
    Chain = 10,
    /// Too much at once.
    Busy = 11,
}

impl UnbondingRefusal {
    /// All of them, in order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Form,
        Self::UnknownStake,
        Self::Retired,
        Self::NotAMember,
        Self::Unconfirmed,
        Self::Input,
        Self::Output,
        Self::StakerSignature,
        Self::NotHeld,
        Self::SignerUnavailable,
        Self::Chain,
        Self::Busy,
    ];

    /// A fixed word for metrics and people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::UnknownStake => "unknown_stake",
            Self::Retired => "retired",
            Self::NotAMember => "not_a_member",
            Self::Unconfirmed => "unconfirmed",
            Self::Input => "input",
            Self::Output => "output",
            Self::StakerSignature => "staker_signature",
            Self::NotHeld => "not_held",
            Self::SignerUnavailable => "signer_unavailable",
            Self::Chain => "chain",
            Self::Busy => "busy",
        }
    }

    /// Whether the same request may be signed soon without anybody changing anything: a block more,
    /// a wallet unlocked, a member that has caught up.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::UnknownStake
            | Self::Unconfirmed
            | Self::SignerUnavailable
            | Self::Chain
            | Self::Busy => true,
            Self::Form
            | Self::Retired
            | Self::NotAMember
            | Self::Input
            | Self::Output
            | Self::StakerSignature
            | Self::NotHeld => false,
        }
    }
}

impl UnbondingAsk {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        at_most("unbondings", self.unbondings.len(), MAX_UNBONDINGS)?;
        self.unbondings
            .iter()
            .try_for_each(|one| at_most("unbonding", one.transaction.len(), MAX_UNBONDING))
    }
}

impl UnbondingSigned {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        at_most("answers", self.answers.len(), MAX_UNBONDINGS)
    }
}
