//! What reaches a committee member.

use trestle_wire::Peer;

use crate::ports::Inbound;

/// One thing to handle.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most inputs are messages")]
pub enum CommitteeInput {
    /// A message.
    Received(Inbound),
    /// A peer is connected and has our parameters.
    Connected(Peer),
    /// A peer is not connected any more.
    Lost(Peer),
    /// The height of our bitcoind's best block.
    Tip(u32),
    /// Time passed.
    Tick,
}
