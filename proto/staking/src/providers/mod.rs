//! The registry of finality providers: a file of descriptions, for people to choose from.
//!
//! Always holds: a bad entry is told and left out, and takes no other with it; each key stands in
//! the registry once.

mod entry;
mod fault;

use std::collections::BTreeMap;

use bitcoin::XOnlyPublicKey;
pub use entry::{Description, Provider};
pub use fault::{EntryFault, ProvidersError, Rejected};
use serde::Deserialize;
use serde_json::Value;

/// The public registry has about 200 entries of a kilobyte.
const MAX_BYTES: usize = 16 << 20;

/// The registered finality providers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Providers {
    entries: Vec<Provider>,
    places: BTreeMap<[u8; 32], usize>,
}

#[derive(Deserialize)]
struct File {
    finality_providers: Vec<Value>,
}

impl Providers {
    /// Reads a file: what is good of it, and what is not.
    ///
    /// # Errors
    /// [`ProvidersError`] if it is no such file at all.
    pub fn parse(text: &str) -> Result<(Self, Vec<Rejected>), ProvidersError> {
        if text.len() > MAX_BYTES {
            return Err(ProvidersError::TooLarge { bytes: text.len(), most: MAX_BYTES });
        }
        let file: File =
            serde_json::from_str(text).map_err(|error| ProvidersError::Json(error.to_string()))?;
        let (mut providers, mut rejected) = (Self::default(), Vec::new());
        for (index, entry) in file.finality_providers.iter().enumerate() {
            let place = index + 1;
            if let Err(fault) = providers.add(entry) {
                rejected.push(Rejected { place, moniker: entry::moniker(entry), fault });
            }
        }
        Ok((providers, rejected))
    }

    /// In the order of the file.
    pub fn entries(&self) -> &[Provider] {
        &self.entries
    }

    /// The entry of a key.
    pub fn get(&self, key: &XOnlyPublicKey) -> Option<&Provider> {
        self.entries.get(*self.places.get(&key.serialize())?)
    }

    fn add(&mut self, entry: &Value) -> Result<(), EntryFault> {
        let provider = Provider::read(entry)?;
        let key = provider.key.serialize();
        if self.places.contains_key(&key) {
            return Err(EntryFault::Duplicate(provider.key));
        }
        self.places.insert(key, self.entries.len());
        self.entries.push(provider);
        Ok(())
    }
}
