//! Why an actor cannot go on.

use trestle_store::StoreError;

/// An actor that returns this has changed nothing since its last commit: it is started again from
/// the store, within a budget, unless the fault is its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The store did not do what was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This node contradicts itself: it stops.
    #[error("internal fault, please report it: {0}")]
    Invariant(&'static str),
    /// The node is shutting down.
    #[error("stopping")]
    Stopping,
}

impl Fault {
    /// Whether starting again from the store can help.
    pub const fn is_recoverable(&self) -> bool {
        match self {
            Self::Store(error) => match error {
                StoreError::Unavailable(_) | StoreError::Unknown(_) => true,
                StoreError::Conflict { .. } | StoreError::NotOwner(_) | StoreError::Corrupt(_) => {
                    false
                }
            },
            Self::Invariant(_) | Self::Stopping => false,
        }
    }
}
