//! What the coordinator is to do for a session.

use trestle_wire::committee::sign::Signer;

use super::Outcome;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoastEffect {
    /// Ask a member for that many nonces.
    AskNonces(u16, usize),
    /// Send every signer of an attempt its request.
    Request {
        /// The attempt.
        attempt: u32,
        /// The messages it signs.
        messages: Vec<u16>,
        /// Its signers, in order.
        signers: Vec<Signer>,
    },
    /// Check and aggregate a complete attempt.
    Check(u32),
    /// Count against a member.
    Blame(u16, Blame),
    /// Send a [`super::RoastEvent::Tick`] at this time, in milliseconds.
    WakeAt(u64),
    /// The session is over.
    Finish(Outcome),
}

/// What a member is blamed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blame {
    /// A share that does not verify, or not one for each message.
    WrongShare,
    /// It did not answer an attempt before the session ended.
    Silent,
}
