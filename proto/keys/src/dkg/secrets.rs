//! The secret side of a member's key generation: FROST's three parts. Lives in the key vault's
//! memory only, until the finished share is sealed and stored.

use std::collections::BTreeMap;

use frost_secp256k1_tr::{
    self as frost, Identifier,
    keys::{KeyPackage, SigningShare, dkg},
};
use rand_core::{CryptoRng, RngCore};
use trestle_wire::committee::dkg::{PublicKeys, Round1};
use zeroize::Zeroizing;

use crate::{Committee, taproot};

/// A secret share on its way to one member, before it is sealed: a 32-byte scalar.
pub type PlainShare = Zeroizing<[u8; 32]>;

/// After round 1: the member's polynomial.
pub struct AfterRound1(dkg::round1::SecretPackage);

/// After round 2: what the member needs to finish.
pub struct AfterRound2 {
    secret: dkg::round2::SecretPackage,
    packages: BTreeMap<Identifier, dkg::round1::Package>,
}

/// A member whose input cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Culprit(pub u16);

/// FROST part 1: a polynomial, and the public package to be sent.
pub fn begin(
    committee: &Committee,
    index: u16,
    rng: impl RngCore + CryptoRng,
) -> (AfterRound1, Vec<u8>) {
    let n = u16::try_from(committee.members.len()).expect("a committee has at most 128 members");
    let (secret, package) = dkg::part1(identifier(index), n, committee.threshold, rng)
        .expect("a validated committee has 2 <= threshold <= members");
    let bytes = package.serialize().expect("a package we made encodes");
    (AfterRound1(secret), bytes)
}

/// FROST part 2: checks everybody's package and makes a share for every other member, in order.
///
/// # Errors
/// The member whose package has the wrong form or a proof that does not verify.
pub fn make_shares(
    committee: &Committee,
    index: u16,
    secret: AfterRound1,
    packages: &[Round1],
) -> Result<(AfterRound2, Vec<(u16, PlainShare)>), Culprit> {
    let mut others = BTreeMap::new();
    for package in packages.iter().filter(|package| package.index != index) {
        let parsed = parse(committee, package).ok_or(Culprit(package.index))?;
        others.insert(identifier(package.index), parsed);
    }
    let (secret, shares) = dkg::part2(secret.0, &others).map_err(|e| culprit(committee, &e))?;
    let shares = shares
        .iter()
        .filter_map(|(to, share)| Some((index_of(committee, to)?, plain(share))))
        .collect();
    Ok((AfterRound2 { secret, packages: others }, shares))
}

/// FROST part 3: checks the shares made for this member and computes its key share.
///
/// # Errors
/// The member whose share does not fit its package.
pub fn finish(
    committee: &Committee,
    secret: &AfterRound2,
    shares: &[(u16, PlainShare)],
) -> Result<(KeyPackage, PublicKeys), Culprit> {
    let mut parsed = BTreeMap::new();
    for (from, share) in shares {
        let share = SigningShare::deserialize(&share[..]).map_err(|_| Culprit(*from))?;
        parsed.insert(identifier(*from), dkg::round2::Package::new(share));
    }
    let (share, public) = dkg::part3(&secret.secret, &secret.packages, &parsed)
        .map_err(|e| culprit(committee, &e))?;
    let indexes = committee.members.iter().map(|member| member.index);
    let public = taproot::public_keys_to_wire(&public, indexes)
        .expect("part 3 gives a verifying share for every identifier that took part");
    Ok((share, public))
}

/// Whether a package has the right form and a proof that verifies, as every member finds it.
pub fn round1_is_valid(committee: &Committee, package: &Round1) -> bool {
    parse(committee, package).is_some_and(|parsed| {
        frost_core::keys::dkg::verify_proof_of_knowledge(
            identifier(package.index),
            parsed.commitment(),
            parsed.proof_of_knowledge(),
        )
        .is_ok()
    })
}

/// FROST's name for a member.
pub fn identifier(index: u16) -> Identifier {
    Identifier::try_from(index).expect("a validated index is not 0")
}

/// The member that FROST means.
pub fn index_of(committee: &Committee, identifier_: &Identifier) -> Option<u16> {
    committee.members.iter().map(|m| m.index).find(|index| identifier(*index) == *identifier_)
}

fn parse(committee: &Committee, package: &Round1) -> Option<dkg::round1::Package> {
    let parsed = dkg::round1::Package::deserialize(&package.package).ok()?;
    let canonical = parsed.serialize().ok()? == package.package;
    let coefficients = parsed.commitment().coefficients().len();
    (canonical && coefficients == usize::from(committee.threshold)).then_some(parsed)
}

fn plain(share: &dkg::round2::Package) -> PlainShare {
    let bytes = Zeroizing::new(share.signing_share().serialize());
    Zeroizing::new(bytes.as_slice().try_into().expect("a scalar has 32 bytes"))
}

/// FROST names the culprit in every error that another member can cause; our own index stands for
/// an error that names nobody, which no input leads to.
fn culprit(committee: &Committee, error: &frost::Error) -> Culprit {
    let named = error.culprits().first().and_then(|who| index_of(committee, who));
    Culprit(named.unwrap_or_default())
}
