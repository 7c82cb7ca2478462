//! The two secrets every node is born with: its p2p identity and its committee key.
//!
//! Always holds: neither has `Debug` or `Clone`, both are wiped when dropped, and the committee key
//! signs nothing but tagged hashes, so none of its signatures can pass for one over a transaction.
//!
//! Signatures of the committee key take no auxiliary randomness. BIP-340 derives the nonce from the
//! secret key and the message, which is secure on its own; the auxiliary input only hardens against
//! fault injection. In return one statement has one signature, so a resent message is the same
//! bytes, and this crate needs no source of randomness to sign.

use std::sync::LazyLock;

use bitcoin::secp256k1::{
    All, Keypair, Message, Parity, Secp256k1, SecretKey, XOnlyPublicKey, schnorr,
};
use rand_core::{CryptoRng, RngCore};
use trestle_wire::{Hash32, Peer, committee::Signature};
use zeroize::{Zeroize, Zeroizing};

use crate::hash::tagged;

// One context for the process: it never changes, and building it costs more than a signature.
pub(crate) static SECP: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// Both secrets of a node.
pub struct Identity {
    /// Who the node is among peers.
    pub peer: PeerKey,
    /// Who the node is in its committees.
    pub committee: CommitteeKey,
}

impl Identity {
    /// A new identity.
    pub fn generate(rng: &mut (impl CryptoRng + RngCore)) -> Self {
        Self { peer: PeerKey::generate(rng), committee: CommitteeKey::generate(rng) }
    }
}

/// The ed25519 secret of a p2p identity: the 32-byte seed of RFC 8032.
pub struct PeerKey(Zeroizing<[u8; 32]>);

impl PeerKey {
    /// A new key.
    pub fn generate(rng: &mut (impl CryptoRng + RngCore)) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self(seed)
    }

    /// The key of that seed; every seed is one.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*seed))
    }

    /// The seed, for the p2p library and for [`crate::sealed`]. Whoever has it is this peer.
    pub fn expose_secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public identity.
    pub fn peer(&self) -> Peer {
        Peer(ed25519_dalek::SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }
}

/// The secp256k1 key that signs a member's statements and opens what is sealed to it.
pub struct CommitteeKey(Keypair);

impl CommitteeKey {
    /// A new key.
    pub fn generate(rng: &mut (impl CryptoRng + RngCore)) -> Self {
        Self(Keypair::from_secret_key(&SECP, &random_scalar(rng)))
    }

    /// The key of that scalar, big-endian.
    ///
    /// # Errors
    /// [`InvalidKey`] for 0 and for anything not below the order of the group.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, InvalidKey> {
        Keypair::from_seckey_slice(&SECP, secret).map(Self).map_err(|_| InvalidKey)
    }

    /// The scalar, for [`crate::sealed`]. Whoever has it is this member.
    pub fn expose_secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.secret_bytes())
    }

    /// The x coordinate of the public key, as the shared parameters list it.
    pub fn xonly(&self) -> [u8; 32] {
        self.0.x_only_public_key().0.serialize()
    }

    /// The public key with its parity, as a file of global parameters lists a covenant's.
    pub fn compressed(&self) -> [u8; 33] {
        self.0.public_key().serialize()
    }

    /// BIP-340 signature over the tagged hash of `parts` (see [`tagged`]).
    pub fn sign(&self, tag: &str, parts: &[&[u8]]) -> Signature {
        self.sign_hash(&tagged(tag, parts))
    }

    // Only for hashes of `tagged`: a caller's own digest could be a transaction's.
    pub(crate) fn sign_hash(&self, hash: &Hash32) -> Signature {
        SECP.sign_schnorr_no_aux_rand(&Message::from_digest(hash.0), &self.0).serialize()
    }

    // The secret scalar of the point that `xonly` stands for, which BIP-340 takes to have even Y.
    pub(crate) fn even_secret(&self) -> ErasedSecret {
        let secret = self.0.secret_key();
        match self.0.x_only_public_key().1 {
            Parity::Even => ErasedSecret(secret),
            Parity::Odd => ErasedSecret(secret.negate()),
        }
    }
}

impl Drop for CommitteeKey {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

// A `SecretKey` that is wiped when dropped.
pub(crate) struct ErasedSecret(pub(crate) SecretKey);

impl ErasedSecret {
    pub(crate) fn generate(rng: &mut (impl CryptoRng + RngCore)) -> Self {
        Self(random_scalar(rng))
    }
}

impl Drop for ErasedSecret {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

fn random_scalar(rng: &mut (impl CryptoRng + RngCore)) -> SecretKey {
    let mut bytes = [0; 32];
    loop {
        rng.fill_bytes(&mut bytes);
        // One in 2^128 draws is 0 or above the order.
        let drawn = SecretKey::from_slice(&bytes);
        bytes.zeroize();
        if let Ok(secret) = drawn {
            return secret;
        }
    }
}

/// Whether `signature` is one by the committee key `xonly` over the tagged hash of `parts`. A key
/// that is no curve point has no signatures.
pub fn verify(xonly: &[u8; 32], tag: &str, parts: &[&[u8]], signature: &Signature) -> bool {
    verify_hash(xonly, &tagged(tag, parts), signature)
}

pub(crate) fn verify_hash(xonly: &[u8; 32], hash: &Hash32, signature: &Signature) -> bool {
    let (Ok(key), Ok(signature)) =
        (XOnlyPublicKey::from_slice(xonly), schnorr::Signature::from_slice(signature))
    else {
        return false;
    };
    SECP.verify_schnorr(&signature, &Message::from_digest(hash.0), &key).is_ok()
}

/// Bytes that are no committee key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a secp256k1 secret key, 32 bytes between 1 and the order of the group; the bytes \
     given are not one: create a key with `trestle keys new`"
)]
pub struct InvalidKey;
