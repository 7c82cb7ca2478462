//! Why an event does not apply to a delegation.

use bitcoin::Txid;

use super::StateName;

/// Counted and dropped, or the answer to a staker's request. None of these is a peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// No stake of that id is confirmed.
    #[error("delegation not found: no confirmed stake; wait for its confirmation and ask again")]
    NoStake,
    /// The state does not allow a request to unbond.
    #[error("delegation state is not active: it is {0}")]
    NotActive(StateName),
    /// Another unbonding transaction was asked for before.
    #[error("unbonding is requested already, with transaction {0}")]
    AlreadyRequested(Txid),
    /// No such request.
    #[error("no request for unbonding transaction {0} is held")]
    NoSuchRequest(Txid),
    /// A different stake is confirmed for the same transaction.
    #[error(
        "the stake is confirmed at height {held} already: its block has to be disconnected \
             before it is confirmed differently, at height {got}"
    )]
    OtherStake {
        /// Held.
        held: u32,
        /// In the event.
        got: u32,
    },
    /// The output is spent by something else.
    #[error(
        "the output is spent by {held} at height {height}: that block has to be disconnected \
             before another spend counts"
    )]
    OtherSpend {
        /// Held.
        held: Txid,
        /// Its height.
        height: u32,
    },
    /// A spend below the block with the output.
    #[error("a spend at height {spend} of an output that is in the block at height {output}")]
    BeforeOutput {
        /// Of the spend.
        spend: u32,
        /// Of the output.
        output: u32,
    },
    /// A withdrawal that consensus does not allow yet (BIP 68).
    #[error("a withdrawal at height {spend}, the timelock allows none below {first}")]
    TooEarly {
        /// Of the withdrawal.
        spend: u32,
        /// The first height that is allowed.
        first: u32,
    },
    /// The end of a timelock at another height than it ends.
    #[error("the timelock ends at tip {expected}, not at {got}")]
    OtherEnd {
        /// By the facts held.
        expected: u32,
        /// In the event.
        got: u32,
    },
    /// Something about the output of an unbonding where the stake left by another way.
    #[error("the stake is spent by {0}, which is no unbonding")]
    NoUnbonding(Txid),
}
