//! Why a message is not taken.

/// Why an event did not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoastReject {
    /// Not a member of this committee.
    #[error("there is no member {0}")]
    NoSuchMember(u16),
    /// An answer to an attempt that this member is not in, or that is over.
    #[error("member {index} is not signing in attempt {attempt}")]
    NotSigning {
        /// The member.
        index: u16,
        /// The attempt it names.
        attempt: u32,
    },
    /// Nonces from a member that was not asked.
    #[error("member {0} offered nonces out of turn")]
    NotAsked(u16),
    /// Fewer nonces than there are messages.
    #[error("member {index} offered {got} nonces, {needed} are needed")]
    TooFewNonces {
        /// The member.
        index: u16,
        /// Nonces it offered.
        got: usize,
        /// Nonces needed.
        needed: usize,
    },
}
