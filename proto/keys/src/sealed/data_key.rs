//! The data key: locks the secret rows of the store at the speed of the cipher.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use crate::hash::tagged;

const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;

/// A random key that lives in the [`super::KeyFile`].
///
/// A sealed row is: version (1 byte), nonce (24), ciphertext and tag. Nonces are random: among 24
/// bytes none comes twice.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A new key.
    pub fn generate(rng: &mut (impl CryptoRng + RngCore)) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut());
        Self(key)
    }

    pub(super) fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    pub(super) fn expose_secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// Locks a row. `context` names the row (table and key), so that rows cannot be swapped.
    pub fn seal(
        &self,
        context: &[u8],
        secret: &[u8],
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let sealed = self
            .cipher()
            .encrypt((&nonce).into(), Payload { msg: secret, aad: &aad(context) })
            .expect("the cipher takes 256 GiB, which does not fit in memory");
        [&[VERSION], nonce.as_slice(), &sealed].concat()
    }

    /// Unlocks a row.
    ///
    /// # Errors
    /// [`RowError`]; nothing of the content is given out then.
    pub fn open(&self, context: &[u8], row: &[u8]) -> Result<Zeroizing<Vec<u8>>, RowError> {
        let (version, rest) = row.split_first().ok_or(RowError::Truncated { got: 0 })?;
        if *version != VERSION {
            return Err(RowError::Version { got: *version });
        }
        if rest.len() < NONCE + TAG {
            return Err(RowError::Truncated { got: row.len() });
        }
        let (nonce, sealed) = rest.split_at(NONCE);
        self.cipher()
            .decrypt(nonce.into(), Payload { msg: sealed, aad: &aad(context) })
            .map(Zeroizing::new)
            .map_err(|_| RowError::OtherKeyOrAltered)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

fn aad(context: &[u8]) -> [u8; 32] {
    tagged("trestle/sealed-row", &[&[VERSION], context]).0
}

/// Why a sealed row was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// A later version of this program wrote it.
    #[error(
        "the sealed row has version {got}, this node reads version {VERSION}: run the version of trestle that wrote it"
    )]
    Version {
        /// The version in the row.
        got: u8,
    },
    /// The end is missing.
    #[error("the sealed row is truncated: expected at least {} bytes, got {got}; the store is damaged", 1 + NONCE + TAG)]
    Truncated {
        /// Bytes there are.
        got: usize,
    },
    /// The cipher cannot say which.
    #[error(
        "the sealed row was altered, belongs elsewhere, or was sealed with another key file than this node's: use the key file that this store was created with"
    )]
    OtherKeyOrAltered,
}
