//! What became of a broadcast.

use bincode::{Decode, Encode};

/// Longest reason that is kept; bitcoind's are far shorter.
const MAX_REASON: usize = 200;

/// What bitcoind said to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sending {
    /// In its mempool.
    Mempool,
    /// In a block.
    Mined,
    /// The fee is below what its mempool takes now.
    BelowMinimum {
        /// The least fee for this transaction, in sat, if it said so.
        required: Option<u64>,
    },
    /// The staking output is not there: spent in a block, or its transaction is not in the chain.
    /// The blocks tell.
    InputMissing,
    /// Another transaction in its mempool spends the staking output.
    Conflict,
    /// Anything else.
    Rejected(String),
}

impl Sending {
    /// The meaning of a rejection's text. Unknown texts are kept as they are.
    pub fn rejected(text: &str) -> Self {
        if text.contains("min relay fee not met") || text.contains("mempool min fee not met") {
            let required = text.rsplit_once('<').and_then(|(_, fee)| fee.trim().parse().ok());
            return Self::BelowMinimum { required };
        }
        if text.contains("mempool full") {
            return Self::BelowMinimum { required: None };
        }
        if text.contains("missingorspent") || text.contains("missing-inputs") {
            return Self::InputMissing;
        }
        if text.contains("txn-mempool-conflict") || text.contains("insufficient fee") {
            return Self::Conflict;
        }
        let mut reason: String = text.chars().take(MAX_REASON).collect();
        reason.retain(|letter| !letter.is_control());
        Self::Rejected(reason)
    }
}

/// How a finished transaction stands with the network, by the last broadcast.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outlook {
    /// Not sent yet.
    Unsent,
    /// In our mempool.
    Mempool,
    /// In a block that is not deep enough yet.
    Mined,
    /// Its fixed fee is below the mempool's minimum: it is sent again until it goes through.
    Stuck(Rates),
    /// The staking output is not there now; what happened to it shows when its block is deep.
    InputMissing,
    /// Another transaction in our mempool spends the staking output.
    Conflict,
    /// Our bitcoind does not take it.
    Rejected(String),
}

/// Fee rates, in sat for 1,000 virtual bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Rates {
    /// The transaction's.
    pub ours: u64,
    /// What the mempool takes at the least, if it said so.
    pub minimum: Option<u64>,
}

impl Outlook {
    /// After a broadcast of a transaction with this fee in sat and size in virtual bytes.
    pub(super) fn after(sending: &Sending, fee: u64, vsize: u64) -> Self {
        let rate = |fee: u64| fee.saturating_mul(1_000) / vsize.max(1);
        match sending {
            Sending::Mempool => Self::Mempool,
            Sending::Mined => Self::Mined,
            Sending::BelowMinimum { required } => {
                Self::Stuck(Rates { ours: rate(fee), minimum: required.map(rate) })
            }
            Sending::InputMissing => Self::InputMissing,
            Sending::Conflict => Self::Conflict,
            Sending::Rejected(reason) => Self::Rejected(reason.chars().take(MAX_REASON).collect()),
        }
    }
}
