//! Reading what a request says: its query and its body.

use std::fmt;

use axum::{
    body::{Body, HttpBody as _},
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use bitcoin::{Txid, XOnlyPublicKey};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;

use super::error::StakingError;

/// Bytes of a body that is too large which are read and dropped, so that a client which is still
/// sending hears why it is refused instead of a broken connection. Nothing of them is kept.
const DRAINED: usize = 16 << 20;

/// The query, as sent. Of a name that stands there more than once the first counts, except where a
/// list is wanted; unknown names are passed over, as the network's clients expect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Input(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Input {
    type Rejection = StakingError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StakingError> {
        let pairs = Query::try_from_uri(&parts.uri);
        pairs.map(|Query(pairs)| Self(pairs)).map_err(|_| StakingError::bad("invalid query"))
    }
}

impl Input {
    /// A value; `None` if it is not there or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of a name.
    pub(super) fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// An x-only public key on the curve.
    pub(super) fn key(&self, name: &str) -> Result<Option<XOnlyPublicKey>, StakingError> {
        let key = self.text(name).map(str::parse::<XOnlyPublicKey>).transpose();
        key.map_err(|_| {
            StakingError::bad(format!("invalid {name}: expected a public key, 64 hex digits"))
        })
    }

    /// A transaction's id, which must be there.
    pub(super) fn txid(&self, name: &str) -> Result<Txid, StakingError> {
        let text = self.required(name)?;
        let txid = text.parse().ok().filter(|_| text.len() == 64);
        txid.ok_or_else(|| {
            StakingError::bad(format!("invalid {name}: expected a transaction hash, 64 hex digits"))
        })
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, StakingError> {
        let number = self.text(name).map(str::parse).transpose();
        number.map_err(|_| StakingError::bad(format!("invalid {name}: expected a whole number")))
    }

    /// A value that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, StakingError> {
        self.text(name).ok_or_else(|| missing(name))
    }
}

pub(super) fn missing(name: &str) -> StakingError {
    StakingError::bad(format!("{name} is required"))
}

/// An object of JSON. A list with the values of the fields in their order is none, though a
/// deserializer of a struct takes it.
pub(in crate::api) fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StakingError> {
    let wrong =
        |what: &dyn fmt::Display| StakingError::bad(format!("invalid request payload: {what}"));
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(wrong(&"expected a JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|error| wrong(&error))
}

/// A whole body of at most `most` bytes.
pub(in crate::api) async fn body(body: Body, most: usize) -> Result<Vec<u8>, StakingError> {
    // What it says of itself; the rest is counted as it comes.
    let mut large = body.size_hint().lower() > most as u64;
    let (mut bytes, mut dropped) = (Vec::new(), 0usize);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| StakingError::bad("the request's body broke off"))?;
        large |= bytes.len().saturating_add(chunk.len()) > most;
        if large {
            bytes = Vec::new();
            dropped = dropped.saturating_add(chunk.len());
            if dropped > DRAINED {
                break;
            }
        } else {
            bytes.extend_from_slice(&chunk);
        }
    }
    if large { Err(StakingError::too_large(most)) } else { Ok(bytes) }
}
