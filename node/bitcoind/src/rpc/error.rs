//! What can go wrong with a call.

use trestle_actors::ports::ChainError;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// No connection, or one that broke before the answer.
    #[error("no connection: {0}")]
    Connection(String),
    /// No answer in time.
    #[error("no answer to {0} in time")]
    Timeout(String),
    /// bitcoind is starting.
    #[error("bitcoind is starting: {0}")]
    WarmUp(String),
    /// bitcoind's work queue is full.
    #[error("bitcoind is busy: its work queue is full (see -rpcworkqueue)")]
    Busy,
    /// Wrong credentials.
    #[error("bitcoind refused the credentials: check user and password, or the cookie file")]
    Unauthorized,
    /// Our address is not allowed.
    #[error("bitcoind does not allow this address: see -rpcallowip")]
    Forbidden,
    /// bitcoind answered with an error.
    #[error("{method}: {message} (code {code})")]
    Call {
        /// The method called.
        method: String,
        /// bitcoind's error code.
        code: i64,
        /// bitcoind's text.
        message: String,
    },
    /// An answer longer than the call can have.
    #[error("the answer to {method} is longer than {limit} bytes")]
    TooLarge {
        /// The method called.
        method: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// An answer of another form.
    #[error("{method}: {reason}")]
    Malformed {
        /// The method called.
        method: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RpcError {
    /// Whether the same read may succeed a moment later without anyone doing anything.
    pub(crate) const fn is_transient(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::WarmUp(_) | Self::Busy)
    }

    /// Whether bitcoind may be another one when it answers again.
    pub(crate) const fn lost_sight(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::Timeout(_) | Self::WarmUp(_))
    }
}

impl From<RpcError> for ChainError {
    fn from(error: RpcError) -> Self {
        let text = error.to_string();
        match error {
            RpcError::Connection(reason) => Self::Unreachable(reason),
            RpcError::Timeout(_) => Self::Unreachable(text),
            RpcError::WarmUp(_) | RpcError::Busy => Self::NotReady(text),
            RpcError::Unauthorized | RpcError::Forbidden | RpcError::Call { .. } => {
                Self::Refused(text)
            }
            RpcError::TooLarge { .. } | RpcError::Malformed { .. } => Self::Malformed(text),
        }
    }
}
