//! What can happen in a session.

use trestle_wire::committee::{
    Signature,
    sign::{RefusalCode, SignShares},
};

use super::Nonces;

/// What happened. The caller has checked that a member's message came from that member's peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoastEvent {
    /// The session begins; these members have prepared nonces.
    Started(Vec<(u16, Nonces)>),
    /// A member's nonces came.
    NoncesOffered(u16, Nonces),
    /// A member's shares came.
    SharesReceived(SignShares),
    /// A member will not sign.
    Refused {
        /// The member.
        index: u16,
        /// The attempt it answers.
        attempt: u32,
        /// Why.
        code: RefusalCode,
    },
    /// A complete attempt's shares were checked.
    Checked {
        /// The attempt.
        attempt: u32,
        /// One verdict for each of its messages.
        verdicts: Vec<Verdict>,
    },
    /// Time passed.
    Tick(u64),
    /// Nobody wants it any more.
    Cancelled,
}

/// What came of one message of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A signature that verifies.
    Signed(Signature),
    /// These members' shares are wrong.
    Wrong(Vec<u16>),
}
