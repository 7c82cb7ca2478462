//! One finality provider of the registry.

use bitcoin::XOnlyPublicKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::EntryFault;

/// Long enough for every name and message; what is longer is cut in reports.
const SHOWN: usize = 64;

/// What a provider says about itself; any of it may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Description {
    /// Its name.
    pub moniker: String,
    /// A fingerprint at an identity service.
    pub identity: String,
    /// Where to read more.
    pub website: String,
    /// Whom to write to.
    pub security_contact: String,
    /// Anything else.
    pub details: String,
}

/// A registered finality provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its key, by which stakes name it.
    pub key: XOnlyPublicKey,
    /// What it says about itself.
    pub description: Description,
    /// Its share of rewards as the file writes it, a decimal fraction.
    pub commission: String,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    description: Description,
    #[serde(default)]
    commission: String,
    #[serde(default)]
    btc_pk: String,
    #[serde(default)]
    eots_pk: String,
}

impl Provider {
    pub(super) fn read(entry: &Value) -> Result<Self, EntryFault> {
        let raw = Raw::deserialize(entry).map_err(|error| EntryFault::Form(error.to_string()))?;
        let (field, text) = match (raw.eots_pk.as_str(), raw.btc_pk.as_str()) {
            ("", "") => return Err(EntryFault::NoKey),
            ("", key) => ("btc_pk", key),
            (key, _) => ("eots_pk", key),
        };
        let key: XOnlyPublicKey =
            text.parse().map_err(|_| EntryFault::Key { field, got: cut(text) })?;
        if !is_fraction(&raw.commission) {
            return Err(EntryFault::Commission(cut(&raw.commission)));
        }
        Ok(Self { key, description: raw.description, commission: raw.commission })
    }
}

/// The name of an entry, whatever else is wrong with it.
pub(super) fn moniker(entry: &Value) -> Option<String> {
    let name = entry.get("description")?.get("moniker")?.as_str()?;
    (!name.is_empty()).then(|| cut(name))
}

/// `0`, `1`, `0.5`, `1.000`; not `1.5`, `.5`, `-0` or `5e-2`.
fn is_fraction(text: &str) -> bool {
    let (whole, digits) = text.split_once('.').unwrap_or((text, "0"));
    let decimal = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    match whole {
        "0" => decimal,
        "1" => decimal && digits.bytes().all(|digit| digit == b'0'),
        _ => false,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(SHOWN).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
