//! What happens to a request, and what is to be done for it.

use bincode::{Decode, Encode};
use bitcoin::Transaction;
use trestle_wire::staking::UnbondingRefusal;

use super::{MemberKey, Sending, Standing};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// How the stake stands in the chain now.
    Moved(Standing),
    /// The request was checked again, for a stake in the block at this height.
    Rechecked {
        /// The height.
        height: u32,
        /// Whether the parameters of that height give the same transaction.
        fits: bool,
    },
    /// A member signed; the signature was verified.
    Signed {
        /// Who.
        key: MemberKey,
        /// By BIP-340.
        signature: [u8; 64],
    },
    /// A member gave a signature that does not verify.
    Misbehaved {
        /// Who.
        key: MemberKey,
    },
    /// A member will not sign.
    Refused {
        /// Who.
        key: MemberKey,
        /// What it says.
        why: UnbondingRefusal,
    },
    /// The transaction has its witness.
    Assembled(Transaction),
    /// What became of a broadcast.
    Sent(Sending),
}

/// Something to be done. Doing it twice does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Effect {
    /// Ask the members that have not signed, again and again.
    Collect,
    /// Put the signatures into a witness.
    Assemble,
    /// Send the transaction, again and again.
    Broadcast,
    /// Check the request under the parameters of the stake's new height.
    Recheck,
    /// Do nothing more, unless the stake moves.
    Stop,
    /// The parameters give another transaction now: the staker has to sign again. Tell whoever
    /// holds the delegation.
    Drop,
}
