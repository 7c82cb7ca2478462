//! Points, scalars and indexes between the wire's plain bytes and the FROST library's types.
//!
//! Always holds: what is accepted encodes back to the same bytes. The curve library by itself also
//! reads a second form of a point (SEC 1 "compact", first byte 5), which would give one value two
//! encodings.

use std::collections::BTreeMap;

use frost_secp256k1_tr::{
    Identifier, VerifyingKey,
    keys::{PublicKeyPackage, VerifyingShare},
    round1::{NonceCommitment, SigningCommitments},
    round2::SignatureShare,
};
use k256::{
    AffinePoint, EncodedPoint,
    elliptic_curve::sec1::{FromEncodedPoint as _, ToEncodedPoint as _},
};
use trestle_wire::committee::{
    MAX_MEMBERS, Point, WidePoint,
    dkg::{PublicKeys, VerifyingShare as WireShare},
    sign::Commitment,
};

/// First byte of a compressed point whose Y is even, SEC 1.
const EVEN: u8 = 2;
/// First byte of one whose Y is odd.
const ODD: u8 = 3;

/// FROST's form of a nonce commitment.
///
/// # Errors
/// [`PointError::NotAPoint`] names the half that is not the coordinates of a curve point.
pub fn commitment_from_wire(commitment: &Commitment) -> Result<SigningCommitments, PointError> {
    let part = |what: &'static str, bytes: &WidePoint| {
        let encoded = EncodedPoint::from_untagged_bytes(bytes.into());
        let point: Option<AffinePoint> = AffinePoint::from_encoded_point(&encoded).into();
        let point = point.ok_or(PointError::NotAPoint { what })?;
        Ok(NonceCommitment::new(point.into()))
    };
    let hiding = part("hiding commitment", &commitment.hiding)?;
    let binding = part("binding commitment", &commitment.binding)?;
    Ok(SigningCommitments::new(hiding, binding))
}

/// The wire's form of a nonce commitment.
pub fn commitment_to_wire(commitment: &SigningCommitments) -> Commitment {
    let part = |point: &NonceCommitment| {
        let encoded = point.value().to_affine().to_encoded_point(false);
        let bytes = encoded.as_bytes().get(1..).and_then(|bytes| bytes.try_into().ok());
        bytes.expect(
            "a commitment was read from coordinates, which excludes the identity, or made from a \
             random nonce, which is 0 once in 2^256",
        )
    };
    Commitment { hiding: part(commitment.hiding()), binding: part(commitment.binding()) }
}

/// FROST's form of a signature share.
///
/// # Errors
/// [`PointError::NotAScalar`] for a number that is not below the order of the group.
pub fn signature_share_from_wire(share: &[u8; 32]) -> Result<SignatureShare, PointError> {
    SignatureShare::deserialize(share)
        .map_err(|_| PointError::NotAScalar { what: "signature share" })
}

/// The wire's form of a signature share.
pub fn signature_share_to_wire(share: &SignatureShare) -> [u8; 32] {
    share.serialize().try_into().expect("a scalar has 32 bytes")
}

/// The wire's form of a verifying key.
///
/// # Errors
/// [`PointError::NotAPoint`] for the identity, which members that all lie can end up with.
pub fn verifying_key_to_wire(key: &VerifyingKey) -> Result<Point, PointError> {
    point("group key", key.serialize())
}

/// FROST's form of a committee's public keys. It aggregates no fewer than `threshold` shares.
///
/// Whether the shares belong to the key is not checked here: all members' certificates say so.
///
/// # Errors
/// [`PointError`] for bytes that are no point, indexes that are 0 or not ascending, or a number of
/// shares that the threshold does not fit.
pub fn public_keys_from_wire(
    keys: &PublicKeys,
    threshold: u16,
) -> Result<PublicKeyPackage, PointError> {
    let got = keys.shares.len();
    if threshold < 2 || got < usize::from(threshold) || got > MAX_MEMBERS {
        return Err(PointError::Count { threshold, got });
    }
    if let Some(pair) = keys.shares.windows(2).find(|pair| pair[0].index >= pair[1].index) {
        return Err(PointError::Order { first: pair[0].index, second: pair[1].index });
    }
    let group = canonical("group key", &keys.group, VerifyingKey::deserialize)?;
    let share = |share: &WireShare| {
        let identifier = Identifier::try_from(share.index).map_err(|_| PointError::ZeroIndex)?;
        let point = canonical("verifying share", &share.point, VerifyingShare::deserialize)?;
        Ok((identifier, point))
    };
    let shares: BTreeMap<_, _> =
        keys.shares.iter().map(share).collect::<Result<_, PointError>>()?;
    Ok(PublicKeyPackage::new(shares, group, Some(threshold)))
}

/// The wire's form of a committee's public keys, for exactly these members, in ascending order.
///
/// # Errors
/// [`PointError`] if an index is 0, not ascending or without a share, if shares are left over, or
/// if a point is the identity.
pub fn public_keys_to_wire(
    keys: &PublicKeyPackage,
    indexes: impl IntoIterator<Item = u16>,
) -> Result<PublicKeys, PointError> {
    let mut shares: Vec<WireShare> = Vec::new();
    for index in indexes {
        let identifier = Identifier::try_from(index).map_err(|_| PointError::ZeroIndex)?;
        if let Some(last) = shares.last().filter(|last| last.index >= index) {
            return Err(PointError::Order { first: last.index, second: index });
        }
        let share =
            keys.verifying_shares().get(&identifier).ok_or(PointError::NoShare { index })?;
        shares.push(WireShare { index, point: point("verifying share", share.serialize())? });
    }
    if shares.len() != keys.verifying_shares().len() {
        let (asked, got) = (shares.len(), keys.verifying_shares().len());
        return Err(PointError::Leftover { asked, got });
    }
    Ok(PublicKeys { group: verifying_key_to_wire(keys.verifying_key())?, shares })
}

/// Reads a point in its one accepted form. The curve library takes no coordinate that is not below
/// the field's order, so its other reading of 33 bytes is all that is left to refuse; to encode the
/// point again and compare would cost as much as reading it.
fn canonical<T, E>(
    what: &'static str,
    bytes: &Point,
    read: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, PointError> {
    match bytes.first() {
        Some(&(EVEN | ODD)) => read(bytes).map_err(|_| PointError::NotAPoint { what }),
        _ => Err(PointError::NotAPoint { what }),
    }
}

fn point<E>(what: &'static str, bytes: Result<Vec<u8>, E>) -> Result<Point, PointError> {
    let bytes = bytes.map_err(|_| PointError::NotAPoint { what })?;
    bytes.try_into().map_err(|_| PointError::NotAPoint { what })
}

/// Why bytes are not keys, commitments or shares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PointError {
    /// Not on the curve, the identity, or in another than the compressed form.
    #[error("expected the {what} as a compressed secp256k1 point in canonical form")]
    NotAPoint {
        /// Which point.
        what: &'static str,
    },
    /// Not below the order of the group.
    #[error("expected the {what} as a number below the order of secp256k1")]
    NotAScalar {
        /// Which scalar.
        what: &'static str,
    },
    /// Indexes start at 1: a share at 0 would be the key itself.
    #[error("expected member indexes from 1, got 0")]
    ZeroIndex,
    /// Out of order, or the same twice.
    #[error("expected ascending member indexes, got {second} after {first}")]
    Order {
        /// The one before.
        first: u16,
        /// The one that should be larger.
        second: u16,
    },
    /// A number of shares that no committee of this threshold has.
    #[error(
        "expected between {threshold}, at least 2, and {MAX_MEMBERS} verifying shares, got {got}"
    )]
    Count {
        /// The committee's threshold.
        threshold: u16,
        /// Shares that came.
        got: usize,
    },
    /// A member took no part in making the key.
    #[error("expected a verifying share of member {index}, the key has none")]
    NoShare {
        /// The member.
        index: u16,
    },
    /// Somebody else took part in making the key.
    #[error("expected shares of {asked} members, the key has {got}")]
    Leftover {
        /// Members asked for.
        asked: usize,
        /// Shares the key has.
        got: usize,
    },
}
