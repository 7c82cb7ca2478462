//! Conformance with data that others published. It is no part of the repository: the folder named
//! by `TRESTLE_VECTORS` is read, else a folder `shared/vectors` in or beside any folder above this
//! crate. Without it the tests pass and say that they were skipped; under `CI=true` they fail.

mod block;
mod files;
mod request;
mod scripts;
mod signed;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// How many tests there are in this module.
const TESTS: usize = 8;

/// One folder of conformance data.
pub(crate) struct Vectors(PathBuf);

impl Vectors {
    /// `None`, with a word to the reader, if there is no data.
    pub(crate) fn find() -> Option<Self> {
        let found = named().or_else(beside).map(|folder| folder.join("babylon"));
        if let Some(folder) = found.filter(|folder| folder.is_dir()) {
            return Some(Self(folder));
        }
        let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!ci, "no conformance data: set TRESTLE_VECTORS to the folder that holds babylon/");
        let text = format!("SKIPPED 1 of {TESTS} conformance tests: set TRESTLE_VECTORS");
        writeln!(std::io::stderr(), "{text}").expect("somebody listens");
        None
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

fn named() -> Option<PathBuf> {
    std::env::var_os("TRESTLE_VECTORS").map(PathBuf::from)
}

fn beside() -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.map(|folder| folder.join("shared/vectors")).find(|folder| folder.is_dir())
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
