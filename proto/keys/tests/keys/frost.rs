//! FROST keys of either parity, made by the library itself, and signatures with them.

use std::collections::BTreeMap;

use frost_secp256k1_tr::{
    Identifier, SigningPackage,
    keys::{KeyPackage, PublicKeyPackage, dkg},
    round1, round2,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use trestle_keys::taproot::{self, Tweak};

pub(crate) fn seeded(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// Members 1, 2 and 5 of a 2-of-3 committee: an index is not a position.
pub(crate) const INDEXES: [u16; 3] = [1, 2, 5];

/// One finished key generation.
pub(crate) struct Frost {
    pub(crate) shares: BTreeMap<u16, KeyPackage>,
    pub(crate) public: PublicKeyPackage,
}

impl Frost {
    pub(crate) fn group(&self) -> [u8; 33] {
        taproot::verifying_key_to_wire(self.public.verifying_key()).expect("not the identity")
    }

    pub(crate) fn is_odd(&self) -> bool {
        self.group()[0] == 3
    }
}

/// 2-of-3 over [`INDEXES`], by the library's own key generation.
pub(crate) fn must_generate(seed: u64) -> Frost {
    let mut rng = seeded(seed);
    let ids: BTreeMap<u16, Identifier> =
        INDEXES.into_iter().map(|i| (i, i.try_into().expect("not 0"))).collect();
    let (mut secret1, mut public1) = (BTreeMap::new(), BTreeMap::new());
    for id in ids.values() {
        let (secret, public) = dkg::part1(*id, 3, 2, &mut rng).expect("2 of 3");
        secret1.insert(*id, secret);
        public1.insert(*id, public);
    }
    let others = |id: &Identifier| {
        let mut all = public1.clone();
        all.remove(id);
        all
    };
    let (mut secret2, mut sent) = (BTreeMap::new(), BTreeMap::new());
    for (id, secret) in secret1 {
        let (secret, shares) = dkg::part2(secret, &others(&id)).expect("honest packages");
        secret2.insert(id, secret);
        sent.insert(id, shares);
    }
    let mut shares = BTreeMap::new();
    let mut public = None;
    for (index, id) in &ids {
        let received =
            sent.iter().filter_map(|(from, to)| Some((*from, to.get(id)?.clone()))).collect();
        let (share, keys) =
            dkg::part3(&secret2[id], &others(id), &received).expect("honest shares");
        shares.insert(*index, share);
        public = Some(keys);
    }
    Frost { shares, public: public.expect("three members") }
}

/// The first seed whose key has that parity, and its key.
pub(crate) fn must_generate_with_parity(odd: bool) -> Frost {
    (0..64)
        .map(must_generate)
        .find(|frost| frost.is_odd() == odd)
        .expect("64 keys of one parity come once in 2^64")
}

/// Signs with those members, each share and the public keys under `tweak`.
pub(crate) fn sign(
    frost: &Frost,
    signers: &[u16],
    tweak: Tweak,
    message: &[u8; 32],
) -> Result<[u8; 64], frost_secp256k1_tr::Error> {
    let mut rng = seeded(99);
    let (mut nonces, mut commitments) = (BTreeMap::new(), BTreeMap::new());
    for index in signers {
        let share = &frost.shares[index];
        let (secret, public) = round1::commit(share.signing_share(), &mut rng);
        nonces.insert(*index, secret);
        let sent = taproot::commitment_to_wire(&public);
        let received = taproot::commitment_from_wire(&sent).expect("a point");
        assert_eq!(received, public);
        commitments.insert(*share.identifier(), received);
    }
    let package = SigningPackage::new(commitments, message);
    let mut shares = BTreeMap::new();
    for index in signers {
        let share = taproot::tweak_key_package(&frost.shares[index], tweak);
        let made = round2::sign(&package, &nonces[index], &share)?;
        let sent = taproot::signature_share_to_wire(&made);
        let received = taproot::signature_share_from_wire(&sent).expect("a scalar");
        shares.insert(*share.identifier(), received);
    }
    let public = taproot::tweak_public_keys(&frost.public, tweak);
    let signature = frost_secp256k1_tr::aggregate(&package, &shares, &public)?;
    Ok(signature.serialize()?.try_into().expect("64 bytes"))
}
