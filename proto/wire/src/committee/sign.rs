//! Threshold signing: nonces ahead of time, one request, one answer.

use bincode::{Decode, Encode};

use super::{
    MAX_BATCH, MAX_MEMBERS, WidePoint, check_key,
    payment::{MAX_RECIPIENTS, MAX_TRANSACTION, OutPoint, PaymentProposal},
};
use crate::{
    codec::{DecodeError, MAX_ENVELOPE, at_most},
    primitives::{BootId, Hash32, KeyRef, SessionId},
};

/// The most bytes a text to be signed (BIP-322) may have.
pub const MAX_TEXT: usize = 64 * 1024;

/// The most bytes the detail of a refusal may have: a sentence with two outpoints and an id.
pub const MAX_DETAIL: usize = 400;

/// Most bytes of an envelope with a [`SignRequest`] that are there whatever the numbers of signers
/// and messages. Recipients are in the transaction too, where each takes up to 3 bytes less: the
/// length of its script and its amount have other encodings there.
const REQUEST_FRAME: usize = 2 * MAX_TRANSACTION + 4 * MAX_RECIPIENTS + 512;
/// Most bytes of a [`Signer`] without commitments: index, boot, number of the first, their count.
const SIGNER_FRAME: usize = 3 + 8 + 9 + 3;
/// Bytes of a commitment: it has no length and no number in it.
const COMMITMENT: usize = size_of::<Commitment>();
/// Most bytes of a message's number.
const MESSAGE: usize = 3;

/// Most messages of a session with so many signers, so that every request of it fits into an
/// envelope, whatever the payment is like: [`MAX_BATCH`] up to 31 signers, fewer above.
pub const fn most_messages(signers: usize) -> usize {
    let left = MAX_ENVELOPE.saturating_sub(REQUEST_FRAME + signers * SIGNER_FRAME);
    let most = left / (MESSAGE + signers * COMMITMENT);
    if most < MAX_BATCH { most } else { MAX_BATCH }
}

/// Coordinator to member: make nonces ahead of time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NonceRequest {
    /// The key they are for.
    pub key: KeyRef,
    /// How many, at most [`MAX_BATCH`].
    pub count: u16,
}

/// Member to coordinator: public commitments to nonces `first`, `first + 1`, …
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct NonceOffer {
    /// The key they are for.
    pub key: KeyRef,
    /// The member.
    pub index: u16,
    /// The boot whose memory holds the secret halves.
    pub boot: BootId,
    /// Number of the first.
    pub first: u64,
    /// Hiding and binding commitment of each.
    pub commitments: Vec<Commitment>,
}

/// A FROST nonce commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Commitment {
    /// D in the FROST paper.
    pub hiding: WidePoint,
    /// E in the FROST paper.
    pub binding: WidePoint,
}

/// What is to be signed, with all that a member needs to judge it. Numbered from 0 in the order
/// below, which is on the wire: a new purpose goes to the end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Purpose {
    /// The mock transaction that proves a new key usable. The member builds it itself.
    KeyProof,
    /// A payment: one message for each input of its transaction, in order.
    Payment(PaymentProposal),
    /// A text, signed as BIP-322 says. The member builds both transactions itself.
    Text(Vec<u8>),
}

/// Coordinator to member: check this and make your shares.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignRequest {
    /// The session.
    pub session: SessionId,
    /// Which attempt of the session.
    pub attempt: u32,
    /// The key to sign with.
    pub key: KeyRef,
    /// What is to be signed.
    pub purpose: Purpose,
    /// Which of the purpose's messages this attempt signs, ascending.
    pub messages: Vec<u16>,
    /// Exactly the members that sign, in order of index; the receiver is one of them.
    pub signers: Vec<Signer>,
}

/// One signer's nonces in a request.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Signer {
    /// The member.
    pub index: u16,
    /// The boot that offered the nonces.
    pub boot: BootId,
    /// Number of the nonce for the first message; the others follow.
    pub first: u64,
    /// One for each message of the attempt.
    pub commitments: Vec<Commitment>,
}

/// Member to coordinator: its signature shares.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignShares {
    /// The session.
    pub session: SessionId,
    /// The attempt.
    pub attempt: u32,
    /// The key.
    pub key: KeyRef,
    /// The member.
    pub index: u16,
    /// One scalar for each message of the attempt.
    pub shares: Vec<[u8; 32]>,
}

/// Member to coordinator: it will not sign this, and no nonce was used.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SignRefused {
    /// The session.
    pub session: SessionId,
    /// The attempt.
    pub attempt: u32,
    /// The key.
    pub key: KeyRef,
    /// The member.
    pub index: u16,
    /// The class of reason.
    pub code: RefusalCode,
    /// For people.
    pub detail: String,
    /// What the member has agreed to before that the request contradicts, if that is the reason.
    pub binding: Option<Binding>,
}

/// What a member has bound durably. Numbered from 0 in the order below, which is on the wire: a new
/// one goes to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Binding {
    /// The payment asked for is bound to this anchor.
    Anchor(OutPoint),
    /// A coin that the payment would spend is the anchor of another payment.
    Coin {
        /// The coin.
        coin: OutPoint,
        /// That payment.
        payment: Hash32,
    },
}

/// Why a member does not sign. The numbers are on the wire and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum RefusalCode {
    /// The member does not have that key, or not in that epoch. Nobody is to blame.
    Stale = 0,
    /// The nonces are not of this boot, were used, or were never offered: ask for new ones.
    Nonces = 1,
    /// The member's policy forbids it.
    Policy = 2,
    /// The member's own bitcoind cannot answer now, or its tip is stale.
    Chain = 3,
    /// The request contradicts itself.
    Malformed = 4,
    /// The member's memory is older than what it once signed: it was restored from a copy.
    Rollback = 5,
    /// Too much at once.
    Busy = 6,
    /// The member's store takes no writes now, for example because its disk is full.
    Store = 7,
}

impl RefusalCode {
    /// A fixed word for metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Nonces => "nonces",
            Self::Policy => "policy",
            Self::Chain => "chain",
            Self::Malformed => "malformed",
            Self::Rollback => "rollback",
            Self::Busy => "busy",
            Self::Store => "store",
        }
    }
}

impl NonceRequest {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.key)?;
        at_most("count", usize::from(self.count), MAX_BATCH)
    }
}

impl NonceOffer {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.key)?;
        at_most("commitments", self.commitments.len(), MAX_BATCH)
    }
}

impl SignRequest {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.key)?;
        at_most("messages", self.messages.len(), MAX_BATCH)?;
        at_most("signers", self.signers.len(), MAX_MEMBERS)?;
        for signer in &self.signers {
            at_most("commitments", signer.commitments.len(), MAX_BATCH)?;
        }
        match &self.purpose {
            Purpose::KeyProof => Ok(()),
            Purpose::Payment(proposal) => proposal.check(),
            Purpose::Text(text) => at_most("text", text.len(), MAX_TEXT),
        }
    }
}

impl SignShares {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.key)?;
        at_most("shares", self.shares.len(), MAX_BATCH)
    }
}

impl SignRefused {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.key)?;
        at_most("detail", self.detail.len(), MAX_DETAIL)
    }
}
