//! What a committee puts on a witness stack, rightly or wrongly.

use std::{cmp::Reverse, collections::BTreeMap};

use bitcoin::{XOnlyPublicKey, secp256k1::schnorr::Signature};

use crate::fixture::{Committee, key, sign};

pub(crate) const ONE: Committee = Committee { members: &[101], quorum: 1 };
pub(crate) const NINE: Committee =
    Committee { members: &[101, 102, 103, 104, 105, 106, 107, 108, 109], quorum: 6 };

impl Committee {
    /// As many signatures as there must be, of the members with the highest numbers.
    pub(crate) fn signatures(&self, hash: [u8; 32]) -> BTreeMap<XOnlyPublicKey, Signature> {
        let quorum = usize::try_from(self.quorum).expect("a small number");
        let members = self.members.iter().rev().take(quorum);
        members.map(|member| (key(*member), sign(*member, hash))).collect()
    }

    /// Members by descending key, as witnesses have them.
    pub(crate) fn descending(&self) -> Vec<u8> {
        let mut members = self.members.to_vec();
        members.sort_by_key(|member| Reverse(key(*member).serialize()));
        members
    }

    /// An item each, in this order of members; the first `signers` of them sign.
    pub(crate) fn items(order: &[u8], signers: usize, hash: [u8; 32]) -> Vec<Vec<u8>> {
        let item = |(place, member): (usize, &u8)| {
            if place < signers { sign(*member, hash).serialize().to_vec() } else { Vec::new() }
        };
        order.iter().enumerate().map(item).collect()
    }
}
