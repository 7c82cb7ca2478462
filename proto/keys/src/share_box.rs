//! Seals a DKG share to the one member that may read it, and signs it.
//!
//! ECIES on secp256k1: a fresh one-time key, ECDH with the receiver's committee key, a key from the
//! tagged hash of the shared point, both public keys and the context, XChaCha20-Poly1305 with the
//! context as associated data. The context is the hash of session, sender and receiver, so a share
//! moved to another attempt, sender or receiver does not open.
//!
//! Always holds: the nonce is zero, and is used once, because each key encrypts one message: a new
//! one-time key is drawn for each, and enters the key. Committee keys are listed by their x
//! coordinate; the receiver is the point with even Y, and opens with the matching secret.

use bitcoin::secp256k1::{Parity, PublicKey, XOnlyPublicKey, ecdh::SharedSecret};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand_core::{CryptoRng, RngCore};
use trestle_wire::{
    Hash32,
    codec::encode,
    committee::{
        Point,
        dkg::{DkgSession, SealedShare},
    },
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    committee::Committee,
    hash::tagged,
    identity::{CommitteeKey, ErasedSecret, SECP},
    sign::{SignatureError, statement, verify_sealed_share},
};

/// The most bytes a share may have: the wire allows 256 for share and tag, a FROST share has 32.
pub const MAX_SHARE: usize = 240;

/// Which share this is: for one attempt, from one member, to one.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The committee, which lists the keys of both.
    pub committee: &'a Committee,
    /// The attempt.
    pub session: &'a DkgSession,
    /// Index of the maker.
    pub from: u16,
    /// Index of the receiver.
    pub to: u16,
}

impl Route<'_> {
    fn context(&self) -> Hash32 {
        tagged(
            "trestle/share-box/context",
            &[&encode(self.session), &encode(&(self.from, self.to))],
        )
    }
}

/// Seals `share` to the member `route.to` and signs it with the committee key of `route.from`.
///
/// # Errors
/// [`SealError`] if the committee does not list the receiver, or the share is too long.
pub fn seal_share(
    route: Route<'_>,
    sender: &CommitteeKey,
    share: &[u8],
    rng: &mut (impl CryptoRng + RngCore),
) -> Result<SealedShare, SealError> {
    if share.len() > MAX_SHARE {
        return Err(SealError::TooLong { got: share.len() });
    }
    let recipient = member_point(route.committee, route.to).ok_or_else(|| {
        SealError::NoReceiver { to: route.to, name: route.committee.name.clone() }
    })?;
    let one_time = ErasedSecret::generate(rng);
    let ephemeral = one_time.0.public_key(&SECP).serialize();
    let context = route.context();
    let key = box_key(&one_time, &recipient, &ephemeral, &recipient.serialize(), &context);
    let ciphertext = XChaCha20Poly1305::new((&*key).into())
        .encrypt(&XNonce::default(), Payload { msg: share, aad: &context.0 })
        .expect("240 bytes are far below the cipher's limit");
    let Route { session, from, to, .. } = route;
    let hash = statement::sealed_share(session, from, to, &ephemeral, &ciphertext);
    Ok(SealedShare { from, to, ephemeral, ciphertext, signature: sender.sign_hash(&hash) })
}

/// Checks and opens a share made for the member `me`, whose committee key is `own`.
///
/// # Errors
/// [`OpenError`]; its variants say whose fault it is, as far as anybody can tell.
pub fn open_share(
    committee: &Committee,
    session: &DkgSession,
    me: u16,
    own: &CommitteeKey,
    share: &SealedShare,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    if share.to != me {
        return Err(OpenError::NotForMe { me, to: share.to });
    }
    verify_sealed_share(committee, session, share)?;
    let from = share.from;
    let ephemeral =
        PublicKey::from_slice(&share.ephemeral).map_err(|_| OpenError::OneTimeKey { from })?;
    let secret = own.even_secret();
    let recipient = secret.0.public_key(&SECP).serialize();
    let context = Route { committee, session, from, to: me }.context();
    let key = box_key(&secret, &ephemeral, &share.ephemeral, &recipient, &context);
    XChaCha20Poly1305::new((&*key).into())
        .decrypt(&XNonce::default(), Payload { msg: &share.ciphertext, aad: &context.0 })
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Undecryptable { from })
}

// Of all public keys with the listed x, BIP-340 means the one with even Y.
fn member_point(committee: &Committee, index: u16) -> Option<PublicKey> {
    let key = XOnlyPublicKey::from_slice(&committee.member(index)?.key).ok()?;
    Some(key.public_key(Parity::Even))
}

fn box_key(
    secret: &ErasedSecret,
    point: &PublicKey,
    ephemeral: &Point,
    recipient: &Point,
    context: &Hash32,
) -> Zeroizing<[u8; 32]> {
    let mut shared = SharedSecret::new(point, &secret.0);
    let mut bytes = shared.secret_bytes();
    let key = tagged("trestle/share-box/key", &[&bytes, ephemeral, recipient, &context.0]);
    bytes.zeroize();
    shared.non_secure_erase();
    Zeroizing::new(key.0)
}

/// Why a share was not sealed. Both are faults of this node or its parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not a member, or a member whose listed key is no curve point.
    #[error(
        "expected member {to} of committee {name} to have a valid key in the parameters; it has none"
    )]
    NoReceiver {
        /// The index looked up.
        to: u16,
        /// The committee.
        name: String,
    },
    /// Longer than the wire allows.
    #[error("a share of {got} bytes, at most {MAX_SHARE} can be sealed")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
}

/// Why a sealed share cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Delivered to the wrong member. The deliverer's fault.
    #[error("expected a share for member {me}, got one for member {to}")]
    NotForMe {
        /// This member.
        me: u16,
        /// Whom it is for.
        to: u16,
    },
    /// Not signed by the member it names. The deliverer's fault.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The sender signed a one-time key that is no curve point: anybody can check that.
    #[error("member {from} signed a share whose one-time key is not a curve point")]
    OneTimeKey {
        /// The sender.
        from: u16,
    },
    /// The sender signed something that its receiver cannot decrypt. Nobody else can check that.
    #[error(
        "the share signed by member {from} cannot be decrypted: made wrongly, or for another key than this node's"
    )]
    Undecryptable {
        /// The sender.
        from: u16,
    },
}
