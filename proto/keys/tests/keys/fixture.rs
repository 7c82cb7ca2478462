//! A seeded committee of three.

use std::collections::BTreeMap;

use trestle_keys::{
    Committee, Member, Scheme,
    identity::{CommitteeKey, PeerKey},
};
use trestle_wire::{Hash32, KeyRef, committee::dkg::DkgSession};

use crate::frost::{INDEXES, seeded};

pub(crate) struct Trio {
    pub(crate) committee: Committee,
    pub(crate) keys: BTreeMap<u16, CommitteeKey>,
    pub(crate) session: DkgSession,
}

pub(crate) fn trio(seed: u64) -> Trio {
    let mut rng = seeded(seed);
    let keys: BTreeMap<_, _> =
        INDEXES.into_iter().map(|index| (index, CommitteeKey::generate(&mut rng))).collect();
    let members = keys
        .iter()
        .map(|(index, key)| Member {
            index: *index,
            peer: PeerKey::generate(&mut rng).peer(),
            key: key.xonly(),
        })
        .collect();
    let committee = Committee {
        name: "main".into(),
        scheme: Scheme::Frost,
        threshold: 2,
        members,
        coordinators: vec![PeerKey::generate(&mut rng).peer()],
    };
    assert_eq!(committee.problems(), Vec::<String>::new());
    let key = KeyRef { committee: "main".into(), generation: 1, epoch: 0 };
    let session = DkgSession { parameters: Hash32([7; 32]), key, attempt: 1 };
    Trio { committee, keys, session }
}
