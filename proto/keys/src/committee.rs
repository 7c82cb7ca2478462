//! Committees and the shared parameters: what every node of a network must agree on.
//!
//! Always holds for a [`Committee`] that [`Committee::problems`] finds nothing wrong with: indexes are
//! distinct and not 0, keys and peers are distinct, the threshold fits the members.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};
use bitcoin::secp256k1::XOnlyPublicKey;
use trestle_wire::{Hash32, Network, Peer, committee::MAX_MEMBERS, hello::Section};

use crate::StakingParams;

/// What peers compare when they connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// The Bitcoin network.
    pub network: Network,
    /// All committees, in order of name. There may be none where there is staking.
    pub committees: Vec<Committee>,
    /// Staking, where the network has it.
    pub staking: Option<StakingParams>,
}

/// A group that holds one key together.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Committee {
    /// Its name, `a-z`, `0-9` and `-`, at most 32 bytes.
    pub name: String,
    /// How its members sign.
    pub scheme: Scheme,
    /// How many members a signature takes.
    pub threshold: u16,
    /// The members, in order of index.
    pub members: Vec<Member>,
    /// The peers that may coordinate it.
    pub coordinators: Vec<Peer>,
}

/// How a committee signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Scheme {
    /// t of n, one Schnorr signature.
    Frost,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Member {
    /// Its FROST identifier, from 1, never derived from order.
    pub index: u16,
    /// Its p2p identity.
    pub peer: Peer,
    /// The x coordinate of its committee key, which signs echoes and certificates.
    pub key: [u8; 32],
}

impl Params {
    /// Hash of all parameters. A part that a network does not have leaves no trace, so that networks
    /// without it keep their hash.
    pub fn hash(&self) -> Hash32 {
        let mut bytes = trestle_wire::codec::encode(&(&self.network, &self.committees));
        if let Some(staking) = &self.staking {
            bytes.extend(trestle_wire::codec::encode(staking));
        }
        crate::hash::tagged("trestle/params", &[&bytes])
    }

    /// Hash of each part, so that a difference can be named.
    pub fn sections(&self) -> Vec<Section> {
        let section = |name: String, bytes: Vec<u8>| Section {
            name,
            hash: crate::hash::tagged("trestle/params-section", &[&bytes]),
        };
        let network = section("network".into(), trestle_wire::codec::encode(&self.network));
        let committees = self.committees.iter().map(|committee| {
            section(format!("committee.{}", committee.name), trestle_wire::codec::encode(committee))
        });
        let staking = self.staking.iter().flat_map(StakingParams::sections);
        std::iter::once(network).chain(committees).chain(staking).collect()
    }

    /// The committee of that name.
    pub fn committee(&self, name: &str) -> Option<&Committee> {
        self.committees.iter().find(|committee| committee.name == name)
    }

    /// Every problem of these parameters, each in one line; empty if they can be used.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> =
            self.committees.iter().flat_map(Committee::problems).collect();
        let names: BTreeSet<_> = self.committees.iter().map(|c| &c.name).collect();
        if names.len() != self.committees.len() {
            problems.push("two committees have the same name".into());
        }
        problems.extend(self.staking.iter().flat_map(StakingParams::problems));
        problems
    }
}

impl Committee {
    /// The member with that index.
    pub fn member(&self, index: u16) -> Option<&Member> {
        self.members.iter().find(|member| member.index == index)
    }

    /// The member with that p2p identity.
    pub fn member_of(&self, peer: &Peer) -> Option<&Member> {
        self.members.iter().find(|member| member.peer == *peer)
    }

    /// Whether any two quorums share an honest member when all but a quorum lie: with t of n,
    /// and n - t liars, that takes 3t > 2n. Only then can a lying coordinator not get two versions
    /// of a payment signed by two quorums.
    pub fn quorums_intersect_honestly(&self) -> bool {
        3 * usize::from(self.threshold) > 2 * self.members.len()
    }

    /// Every problem of this committee, each in one line.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut wrong = |what: String| problems.push(format!("committee {}: {what}", self.name));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 32 || !self.name.chars().all(plain) {
            wrong("a name is 1 to 32 of a-z, 0-9 and '-'".into());
        }
        let (n, t) = (self.members.len(), usize::from(self.threshold));
        if !(2..=MAX_MEMBERS).contains(&n) {
            wrong(format!("has {n} members, needs 2 to {MAX_MEMBERS}"));
        }
        if t < 2 || t > n {
            wrong(format!("has threshold {t}, needs 2 to {n} (its number of members)"));
        }
        if !self.members.is_sorted_by_key(|m| m.index) || self.members.iter().any(|m| m.index == 0)
        {
            wrong("indexes start at 1 and are listed in ascending order".into());
        }
        if self.members.iter().map(|m| m.index).collect::<BTreeSet<_>>().len() != n {
            wrong("two members have the same index".into());
        }
        if self.members.iter().map(|m| m.peer).collect::<BTreeSet<_>>().len() != n {
            wrong("two members have the same peer id".into());
        }
        if self.members.iter().map(|m| m.key).collect::<BTreeSet<_>>().len() != n {
            wrong("two members have the same committee key".into());
        }
        for member in &self.members {
            if XOnlyPublicKey::from_slice(&member.key).is_err() {
                wrong(format!("the key of member {} is not a curve point", member.index));
            }
        }
        if self.coordinators.is_empty() {
            wrong("nobody may coordinate it: list at least one peer under coordinators".into());
        }
        problems
    }
}
