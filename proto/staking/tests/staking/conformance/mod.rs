//! Conformance with data that others published. Without it the tests pass and say that they were
//! skipped; under `CI=true` they fail.

mod block;
mod files;
mod request;
mod scripts;
mod signed;

use std::path::PathBuf;

use serde_json::Value;

use crate::vectors;

/// One folder of conformance data.
pub(crate) struct Vectors(PathBuf);

impl Vectors {
    /// `None`, with a word to the reader, if there is no data.
    pub(crate) fn find() -> Option<Self> {
        vectors::find().map(Self)
    }

    #[expect(clippy::disallowed_methods, reason = "a test reads its data from files")]
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let path = self.0.join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).expect("a text file")
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).expect("a JSON file")
    }
}

/// Reading what the files hold.
pub(crate) mod read {
    use bitcoin::{Transaction, XOnlyPublicKey, consensus::deserialize};
    use serde_json::Value;

    pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
        value[field].as_str().unwrap_or_else(|| panic!("no text {field}"))
    }

    pub(crate) fn number(value: &Value, field: &str) -> u64 {
        value[field].as_u64().unwrap_or_else(|| panic!("no number {field}"))
    }

    pub(crate) fn short(value: &Value, field: &str) -> u16 {
        u16::try_from(number(value, field)).expect("a number of 16 bits")
    }

    pub(crate) fn bytes(value: &Value, field: &str) -> Vec<u8> {
        hex::decode(text(value, field)).expect("hex")
    }

    pub(crate) fn transaction(value: &Value, field: &str) -> Transaction {
        deserialize(&bytes(value, field)).expect("a transaction")
    }

    /// A key of 32 or 33 bytes.
    pub(crate) fn key(hex: &str) -> XOnlyPublicKey {
        let digits = &hex[hex.len() - 64..];
        digits.parse().expect("an x coordinate")
    }

    pub(crate) fn keys(value: &Value, field: &str) -> Vec<XOnlyPublicKey> {
        let list = value[field].as_array().expect("a list");
        list.iter().map(|each| key(each.as_str().expect("text"))).collect()
    }
}
