//! What the coordinator is to do.

use trestle_wire::{
    Message,
    committee::{dkg::AbortReason, key::KeyReady},
};

use super::Agreed;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorEffect {
    /// Send to every member.
    SendAll(Message),
    /// Send to one member.
    Send(u16, Message),
    /// Have the mock transaction of this key signed.
    Prove(Agreed),
    /// Store the usable key and see that every member gets it.
    Publish(Box<KeyReady>),
    /// Report that the attempt failed.
    Report(AbortReason),
}
