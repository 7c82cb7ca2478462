//! What a node tells everyone over gossip. Nothing here is believed without a check of its own.

use bincode::{Decode, Encode};

use crate::{
    codec::{DecodeError, at_most},
    hello::Role,
    primitives::{Hash32, KeyRef},
};

/// A node's presence, published when it starts and every few minutes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Presence {
    /// Hash of the shared parameters.
    pub parameters: Option<Hash32>,
    /// The roles this node has.
    pub roles: Vec<Role>,
    /// The Bitcoin height this node sees, 0 if it follows no chain.
    pub height: u32,
    /// Committee keys that this node can use.
    pub keys: Vec<KeyRef>,
}

impl Presence {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        at_most("roles", self.roles.len(), 8)?;
        at_most("keys", self.keys.len(), 64)?;
        self.keys.iter().try_for_each(crate::committee::check_key)
    }
}
