//! Why a message is not taken. Each is counted; none ends the attempt by itself.

/// Why an event did not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberReject {
    /// The attempt is elsewhere: the message came too early, too late or twice with other content.
    #[error("{event} does not fit while {phase}")]
    OutOfTurn {
        /// What came.
        event: &'static str,
        /// Where the attempt is.
        phase: &'static str,
    },
    /// The list is not exactly one from each member, in order.
    #[error("{0} must have exactly one entry from each member, in order of index")]
    NotEveryone(&'static str),
    /// A signature by a member's committee key does not verify.
    #[error("the signature of member {0} does not verify")]
    BadSignature(u16),
    /// The list has another package for this member than the one it sent.
    #[error("the coordinator changed this member's own package")]
    OwnChanged,
}
