//! The staking part of the shared parameters: the covenant's keys are in the file of global
//! parameters, here is who holds them.
//!
//! Always holds for a [`StakingParams`] that [`StakingParams::problems`] finds nothing wrong with:
//! keys and peers are distinct, every key is a point of the curve, somebody may coordinate.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};
use bitcoin::secp256k1::PublicKey;
use trestle_wire::{Hash32, Peer, committee::MAX_MEMBERS, hello::Section};

/// What all nodes agree on about staking.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct StakingParams {
    /// SHA-256 of the bytes of the file of global parameters, which gives covenant keys and quorum
    /// by version.
    pub global: Hash32,
    /// Which peer holds which covenant key, in order of key. A key of the global parameters that is
    /// not here is held by somebody outside this network of nodes.
    pub members: Vec<CovenantMember>,
    /// The peers that may ask members for signatures, in order.
    pub coordinators: Vec<Peer>,
}

/// One covenant key and its holder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct CovenantMember {
    /// The compressed public key, as it stands in the global parameters.
    pub key: [u8; 33],
    /// The holder's p2p identity.
    pub peer: Peer,
}

impl StakingParams {
    /// The holder of a covenant key.
    pub fn holder(&self, key: &[u8; 33]) -> Option<&Peer> {
        self.members.iter().find(|member| member.key == *key).map(|member| &member.peer)
    }

    /// The covenant key that a peer holds.
    pub fn key_of(&self, peer: &Peer) -> Option<&[u8; 33]> {
        self.members.iter().find(|member| member.peer == *peer).map(|member| &member.key)
    }

    /// Whether a peer may ask members for signatures.
    pub fn coordinates(&self, peer: &Peer) -> bool {
        self.coordinators.contains(peer)
    }

    /// All peers that have to do with staking, each once, in order.
    pub fn peers(&self) -> BTreeSet<Peer> {
        let members = self.members.iter().map(|member| member.peer);
        members.chain(self.coordinators.iter().copied()).collect()
    }

    /// Hashes of both halves, so that a difference in the file is told from one in the peers.
    pub(crate) fn sections(&self) -> [Section; 2] {
        let peers = trestle_wire::codec::encode(&(&self.members, &self.coordinators));
        [("staking", peers.as_slice()), ("staking.global_params", &self.global.0)].map(
            |(name, bytes)| Section {
                name: name.into(),
                hash: crate::hash::tagged("trestle/params-section", &[bytes]),
            },
        )
    }

    /// Every problem of this part, each in one line.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut wrong = |what: String| problems.push(format!("staking: {what}"));
        let n = self.members.len();
        if n > MAX_MEMBERS {
            wrong(format!("has {n} members, at most {MAX_MEMBERS} are possible"));
        }
        if self.members.iter().map(|member| member.key).collect::<BTreeSet<_>>().len() != n {
            wrong("two members have the same covenant key".into());
        }
        let mut seen = BTreeSet::new();
        for member in &self.members {
            let key = hex::encode(member.key);
            if PublicKey::from_slice(&member.key).is_err() {
                wrong(format!("the covenant key {key} is not a curve point"));
            }
            if !seen.insert(member.peer) {
                wrong(format!(
                    "the peer {} holds two covenant keys, the second is {key}: one peer holds one",
                    member.peer
                ));
            }
        }
        match self.coordinators.len() {
            0 => wrong(
                "nobody may ask members for signatures: list at least one peer under coordinators"
                    .into(),
            ),
            many if many > MAX_MEMBERS => {
                wrong(format!("has {many} coordinators, at most {MAX_MEMBERS} are possible"));
            }
            _ => {}
        }
        if self.coordinators.iter().collect::<BTreeSet<_>>().len() != self.coordinators.len() {
            wrong("a peer stands twice under coordinators".into());
        }
        problems
    }
}
