//! The first message on a connection: what each side needs to know before it takes any other.

use bincode::{Decode, Encode};

use crate::{
    codec::{DecodeError, at_most},
    primitives::Hash32,
};

/// Sent by both sides when they connect.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// Hash of the shared parameters; `None` from a node that has none, such as a bootnode.
    pub parameters: Option<Hash32>,
    /// Hash of each section of the parameters, so that a difference can be named.
    pub sections: Vec<Section>,
    /// The roles this node has.
    pub roles: Vec<Role>,
    /// The software's version, for people.
    pub software: String,
}

/// One section of the shared parameters.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Section {
    /// For example `network` or `committee.main`.
    pub name: String,
    /// Hash of its canonical encoding.
    pub hash: Hash32,
}

/// What a node does. The numbers are on the wire and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Role {
    /// A first contact: Kademlia and circuit relay only.
    Bootnode = 0,
    /// Holds key shares and signs.
    Committee = 1,
    /// Runs sessions and payments.
    Coordinator = 2,
}

impl Role {
    /// The name used in config files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bootnode => "bootnode",
            Self::Committee => "committee",
            Self::Coordinator => "coordinator",
        }
    }
}

impl Hello {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        at_most("sections", self.sections.len(), 64)?;
        for section in &self.sections {
            at_most("section name", section.name.len(), 64)?;
        }
        at_most("roles", self.roles.len(), 8)?;
        at_most("software", self.software.len(), 64)
    }
}
