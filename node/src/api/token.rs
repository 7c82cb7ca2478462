//! The admin token: whoever can read its file may give this node orders.

use std::path::Path;

use axum::http::{HeaderMap, header};
use rand::{RngCore as _, rngs::OsRng};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::keystore::{self, KeystoreError};

/// A bearer token. It has no `Debug`.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Reads the token's file, or makes one.
    ///
    /// # Errors
    /// [`KeystoreError`], for example for a file that others may read.
    pub fn load_or_create(path: &Path) -> Result<Self, KeystoreError> {
        match Self::load(path) {
            Err(KeystoreError::Missing { .. }) => {}
            loaded => return loaded,
        }
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(bytes.as_mut());
        let text = Zeroizing::new(hex::encode(*bytes));
        keystore::write_new(path, text.as_bytes())?;
        Ok(Self(text))
    }

    /// Reads the token's file.
    ///
    /// # Errors
    /// [`KeystoreError`]; a token shorter than 32 characters is refused.
    pub fn load(path: &Path) -> Result<Self, KeystoreError> {
        let bytes = keystore::read(path)?;
        let text = std::str::from_utf8(&bytes).map_or("", str::trim);
        if text.len() < 32 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeystoreError::Token { path: path.to_owned() });
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The text, to be sent to the node it belongs to.
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// Whether a request has it. The scheme may be in any case (RFC 9110, 11.1).
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = given.and_then(|given| given.split_once(' ')).unwrap_or_default();
        scheme.eq_ignore_ascii_case("bearer") && self.is(token)
    }

    /// Whether it is this one, in a time that depends on nothing but the given text's length.
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}
