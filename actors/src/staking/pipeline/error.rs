//! Why a request to unbond is not accepted, as clients of the reference service know it.

use trestle_staking::{
    delegation::{Reject, StateName},
    tx::RequestFault,
};

/// In the order of the checks. A repeated request gets what the reference service says:
/// [`RequestError::NotActive`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A field is not of the expected form.
    #[error("invalid {field}: expected {expected}")]
    Field {
        /// Its name in the request.
        field: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// No confirmed stake of that id.
    #[error("delegation not found")]
    NotFound,
    /// Its state does not allow it.
    #[error("delegation state is not active: it is {0}")]
    NotActive(StateName),
    /// The transaction or the signature is not right.
    #[error(transparent)]
    Invalid(#[from] RequestFault),
    /// The stake moved while the request was checked.
    #[error("the stake has just moved in the chain: ask again")]
    Moved,
    /// Too many requests are open.
    #[error("too many unbondings are under way: ask again later")]
    Busy,
    /// The node is stopping, or cannot read what it stored.
    #[error("not available now: {0}")]
    Unavailable(String),
}

impl RequestError {
    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Field { .. } => 400,
            Self::NotFound | Self::NotActive(_) | Self::Invalid(_) => 403,
            Self::Moved | Self::Busy | Self::Unavailable(_) => 503,
        }
    }

    /// The `errorCode` of the answer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Field { .. } => "BAD_REQUEST",
            Self::NotFound => "NOT_FOUND",
            Self::NotActive(_) => "FORBIDDEN",
            Self::Invalid(_) => "VALIDATION_ERROR",
            Self::Moved | Self::Busy | Self::Unavailable(_) => "INTERNAL_SERVICE_ERROR",
        }
    }
}

/// For [`trestle_staking::delegation::Delegation::eligible`]: `GET /v1/unbonding/eligibility`
/// answers the same.
impl From<Reject> for RequestError {
    fn from(reject: Reject) -> Self {
        match reject {
            Reject::NoStake => Self::NotFound,
            Reject::NotActive(state) => Self::NotActive(state),
            Reject::AlreadyRequested(_) => Self::NotActive(StateName::UnbondingRequested),
            Reject::NoSuchRequest(_)
            | Reject::OtherStake { .. }
            | Reject::OtherSpend { .. }
            | Reject::BeforeOutput { .. }
            | Reject::TooEarly { .. }
            | Reject::OtherEnd { .. }
            | Reject::NoUnbonding(_) => Self::Moved,
        }
    }
}
