//! Shares for a batch of messages, and the aggregation of everybody's.

use std::collections::{BTreeMap, BTreeSet};

use frost_secp256k1_tr::{
    Identifier, SigningPackage,
    keys::{KeyPackage, PublicKeyPackage},
    round1::{SigningCommitments, SigningNonces},
    round2::{self, SignatureShare},
};
use trestle_wire::committee::sign::{SignRequest, Signer};

use crate::{
    Committee,
    dkg::secrets::{identifier, index_of},
    roast::Verdict,
    taproot,
};

/// Why a batch cannot be signed or checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The request contradicts itself.
    #[error("{0}")]
    Malformed(&'static str),
    /// A commitment is not a curve point.
    #[error("a commitment of member {0} is not a valid point")]
    Commitment(u16),
    /// FROST refused for a reason that names nobody.
    #[error("the share could not be computed: {0}")]
    Frost(String),
}

/// Whether a request has the form that every honest coordinator gives it, and is for this member.
///
/// # Errors
/// [`BatchError::Malformed`] says what is wrong.
pub fn check_batch<'a>(
    committee: &Committee,
    index: u16,
    request: &'a SignRequest,
    messages: usize,
) -> Result<&'a Signer, BatchError> {
    let wrong = |what| Err(BatchError::Malformed(what));
    let signers: BTreeSet<u16> = request.signers.iter().map(|signer| signer.index).collect();
    if !request.signers.is_sorted_by_key(|signer| signer.index)
        || signers.len() != request.signers.len()
    {
        return wrong("signers must be distinct and in order of index");
    }
    if signers.len() != usize::from(committee.threshold) {
        return wrong("an attempt takes exactly the threshold of signers");
    }
    if signers.iter().any(|index| committee.member(*index).is_none()) {
        return wrong("a signer is not a member");
    }
    let ascending = request.messages.windows(2).all(|pair| pair[0] < pair[1]);
    let in_range = request.messages.iter().all(|message| usize::from(*message) < messages);
    if request.messages.is_empty() || !ascending || !in_range {
        return wrong("messages must be ascending numbers of the purpose's messages");
    }
    let count = request.messages.len();
    if request.signers.iter().any(|signer| signer.commitments.len() != count) {
        return wrong("each signer needs one commitment a message");
    }
    match request.signers.iter().find(|signer| signer.index == index) {
        Some(own) => Ok(own),
        None => wrong("the receiver is not among the signers"),
    }
}

/// This member's share of each message. The nonces are consumed and zeroized.
///
/// `share` must already carry the tweak of the output that is spent.
///
/// # Errors
/// [`BatchError`]; no share is given out then.
pub fn sign_batch(
    share: &KeyPackage,
    signers: &[Signer],
    messages: &[[u8; 32]],
    nonces: Vec<SigningNonces>,
) -> Result<Vec<[u8; 32]>, BatchError> {
    let mut shares = Vec::with_capacity(messages.len());
    for (position, (message, nonces)) in messages.iter().zip(&nonces).enumerate() {
        let package = SigningPackage::new(commitments(signers, position)?, message);
        let share =
            round2::sign(&package, nonces, share).map_err(|e| BatchError::Frost(e.to_string()))?;
        shares.push(taproot::signature_share_to_wire(&share));
    }
    Ok(shares)
}

/// Checks everybody's shares of one message of an attempt and makes the signature.
///
/// `public` must already carry the tweak of the output that is spent. `shares` has each signer's
/// share of this message.
///
/// # Errors
/// [`BatchError`] if a commitment is not a point, which its member is to blame for.
pub fn aggregate(
    committee: &Committee,
    public: &PublicKeyPackage,
    signers: &[Signer],
    position: usize,
    message: &[u8; 32],
    shares: &BTreeMap<u16, [u8; 32]>,
) -> Result<Verdict, BatchError> {
    let mut parsed: BTreeMap<Identifier, SignatureShare> = BTreeMap::new();
    let mut malformed = Vec::new();
    for (index, share) in shares {
        match taproot::signature_share_from_wire(share) {
            Ok(share) => {
                parsed.insert(identifier(*index), share);
            }
            Err(_) => malformed.push(*index),
        }
    }
    if !malformed.is_empty() {
        return Ok(Verdict::Wrong(malformed));
    }
    let package = SigningPackage::new(commitments(signers, position)?, message);
    let all = frost_core::CheaterDetection::AllCheaters;
    match frost_core::aggregate_custom(&package, &parsed, public, all) {
        Ok(signature) => {
            let bytes = signature.serialize().map_err(|e| BatchError::Frost(e.to_string()))?;
            let bytes = bytes.try_into().map_err(|_| BatchError::Frost("length".into()))?;
            Ok(Verdict::Signed(bytes))
        }
        Err(error) => {
            let culprits = error.culprits();
            if culprits.is_empty() {
                return Err(BatchError::Frost(error.to_string()));
            }
            Ok(Verdict::Wrong(culprits.iter().filter_map(|who| index_of(committee, who)).collect()))
        }
    }
}

fn commitments(
    signers: &[Signer],
    position: usize,
) -> Result<BTreeMap<Identifier, SigningCommitments>, BatchError> {
    signers
        .iter()
        .map(|signer| {
            let commitment = signer.commitments.get(position);
            let commitment = commitment.ok_or(BatchError::Malformed("a commitment is missing"))?;
            let commitment = taproot::commitment_from_wire(commitment)
                .map_err(|_| BatchError::Commitment(signer.index))?;
            Ok((identifier(signer.index), commitment))
        })
        .collect()
}
