//! Why a message is not taken.

/// Why an event did not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorReject {
    /// Too early, or too late.
    #[error("{0} does not fit now")]
    OutOfTurn(&'static str),
    /// The message speaks for another member than its sender.
    #[error("member {from} spoke for member {claimed}")]
    WrongIndex {
        /// The sender.
        from: u16,
        /// The member named.
        claimed: u16,
    },
    /// The signature by the member's committee key does not verify.
    #[error("the signature of member {0} does not verify")]
    BadSignature(u16),
    /// Not exactly one share for every other member, in order.
    #[error("member {0} must send exactly one share for every other member, in order of index")]
    NotEveryone(u16),
    /// A complaint about something that proves or concerns nothing here.
    #[error("the complaint of member {0} does not hold")]
    Unfounded(u16),
}
