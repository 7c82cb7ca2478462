//! What the staking actor handles, and how others follow it.

use tokio::sync::watch;

use super::{feed::Room, index::Prepared, pipeline::PipelineInput};
use crate::{
    ports::{Inbound, chain::Tip},
    runtime::Mailbox,
};

/// Something for the actor to handle.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there are a handful at a time")]
pub enum StakingInput {
    /// Blocks that came or went.
    Steps {
        /// By which feed: those of one that was replaced are dropped.
        feed: u64,
        /// In their order.
        steps: Vec<Prepared>,
        /// Given back when they are handled: bounds what is read ahead.
        room: Option<Room>,
    },
    /// A message.
    Received(Inbound),
    /// Something about requests to unbond.
    Pipeline(PipelineInput),
    /// Time passed.
    Tick,
}

/// Where the actor stands, for `/readyz`, and for who waits for news.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StakingStatus {
    /// The last block gone through.
    pub tip: Option<Tip>,
    /// The height of the last block that counts.
    pub confirmed: Option<u32>,
    /// The number of the last event: a rise says that there are new ones.
    pub last_event: u64,
}

/// Follows and feeds the actor from other tasks. What it stored is read with
/// [`query`](super::query), without asking it.
#[derive(Clone, Debug)]
pub struct StakingHandle {
    mailbox: Mailbox<StakingInput>,
    status: watch::Receiver<StakingStatus>,
}

impl StakingHandle {
    /// A handle on the actor that reads the other ends.
    pub const fn new(
        mailbox: Mailbox<StakingInput>,
        status: watch::Receiver<StakingStatus>,
    ) -> Self {
        Self { mailbox, status }
    }

    /// Where the actor stands; it can be waited on.
    pub fn status(&self) -> watch::Receiver<StakingStatus> {
        self.status.clone()
    }

    /// The mailbox.
    pub const fn mailbox(&self) -> &Mailbox<StakingInput> {
        &self.mailbox
    }
}
