//! What can be wrong with the registry.

use std::fmt;

use bitcoin::XOnlyPublicKey;
use thiserror::Error;

/// Why a file is no registry at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProvidersError {
    /// Larger than any registry.
    #[error("the file has {bytes} bytes, at most {most} are read")]
    TooLarge {
        /// How many came.
        bytes: usize,
        /// How many are allowed.
        most: usize,
    },
    /// No JSON of that form.
    #[error("not a file of finality providers, {{\"finality_providers\": [ … ]}}: {0}")]
    Json(String),
}

/// Why an entry is left out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EntryFault {
    /// Not an object, or a field of the wrong type.
    #[error("not an entry: {0}")]
    Form(String),
    /// Neither `eots_pk` nor `btc_pk`.
    #[error("no key: set eots_pk (or btc_pk) to 64 hex digits")]
    NoKey,
    /// No x coordinate of the curve, or not hex.
    #[error("{field} must be the 64 hex digits of an x-only public key, got {got}")]
    Key {
        /// `eots_pk` or `btc_pk`.
        field: &'static str,
        /// What stands there, cut short.
        got: String,
    },
    /// The commission is no fraction.
    #[error("commission must be a decimal fraction from 0 to 1 such as \"0.05\", got {0}")]
    Commission(String),
    /// An earlier entry has the same key.
    #[error("key {0} stands in an earlier entry; remove one of the two")]
    Duplicate(XOnlyPublicKey),
}

/// An entry that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the file, from 1.
    pub place: usize,
    /// Its name, if it has one that can be read.
    pub moniker: Option<String>,
    /// What is wrong.
    pub fault: EntryFault,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moniker = self.moniker.as_deref().unwrap_or("without a name");
        write!(f, "entry {} ({moniker}): {}", self.place, self.fault)
    }
}
