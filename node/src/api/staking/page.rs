//! Page keys: where a list goes on, for the client to hand back.
//!
//! A key is JSON in URL-safe base64. Each list has fields of its own, and a key with other fields is
//! refused, so a key of one list does not work at another.

use base64::{Engine as _, prelude::BASE64_URL_SAFE};
use bitcoin::Txid;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use trestle_actors::staking::query::{Place, Rank};
use trestle_staking::delegation::StateName;

use super::{error::StakingError, input::Input};

const NAME: &str = "pagination_key";
/// Longer than any key that was ever given out.
const MAX: usize = 512;

/// A list's key.
pub(super) trait PageKey: Serialize + DeserializeOwned {
    /// For a client.
    fn encode(&self) -> String {
        // Structs of strings and numbers are always JSON.
        BASE64_URL_SAFE.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The key in a request, if it has one.
    fn read(input: &Input) -> Result<Option<Self>, StakingError> {
        let Some(text) = input.text(NAME) else { return Ok(None) };
        if !has_form(text) {
            return Err(StakingError::bad("invalid pagination key format"));
        }
        let bytes = BASE64_URL_SAFE.decode(text).ok();
        let key = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        key.ok_or_else(foreign).map(Some)
    }
}

/// Not a key of this list.
pub(super) fn foreign() -> StakingError {
    StakingError::bad("invalid pagination token: it is not one that this path gave")
}

/// The form that clients know. The keys of all lists have it: their JSON is ASCII without the few
/// characters that would become `-` or `_`.
fn has_form(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.len() <= MAX && text.len().is_multiple_of(4) && padding <= 2 && digits.bytes().all(plain)
}

/// Of a staker's delegations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DelegationsKey {
    staking_tx_hash_hex: String,
    staking_start_height: u64,
    /// The filter of the page before: it holds for the next page too, said again or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

impl PageKey for DelegationsKey {}

impl DelegationsKey {
    pub(super) fn new(place: Place, state: Option<StateName>) -> Self {
        Self {
            staking_tx_hash_hex: place.txid.to_string(),
            staking_start_height: place.height.into(),
            state: state.map(|state| state.as_str().into()),
        }
    }

    pub(super) fn place(&self) -> Result<Place, StakingError> {
        let height = u32::try_from(self.staking_start_height).map_err(|_| foreign())?;
        let txid: Txid = self.staking_tx_hash_hex.parse().map_err(|_| foreign())?;
        Ok(Place { height, txid })
    }

    pub(super) fn state(&self) -> Result<Option<StateName>, StakingError> {
        self.state.as_deref().map(str::parse).transpose().map_err(|_| foreign())
    }
}

/// Of the finality providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProvidersKey {
    finality_provider_pk_hex: String,
    active_tvl: u64,
}

impl PageKey for ProvidersKey {}

/// Of the stakers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StakersKey {
    staker_pk_hex: String,
    active_tvl: u64,
}

impl PageKey for StakersKey {}

/// A key that is a place in a ranking.
pub(super) trait RankKey: PageKey {
    fn new(rank: Rank) -> Self;
    fn parts(&self) -> (&str, u64);

    fn rank(&self) -> Result<Rank, StakingError> {
        let (hex, active_tvl) = self.parts();
        let mut key = [0; 32];
        hex::decode_to_slice(hex, &mut key).map_err(|_| foreign())?;
        Ok(Rank { active_tvl, key })
    }
}

impl RankKey for ProvidersKey {
    fn new(rank: Rank) -> Self {
        Self { finality_provider_pk_hex: hex::encode(rank.key), active_tvl: rank.active_tvl }
    }
    fn parts(&self) -> (&str, u64) {
        (&self.finality_provider_pk_hex, self.active_tvl)
    }
}

impl RankKey for StakersKey {
    fn new(rank: Rank) -> Self {
        Self { staker_pk_hex: hex::encode(rank.key), active_tvl: rank.active_tvl }
    }
    fn parts(&self) -> (&str, u64) {
        (&self.staker_pk_hex, self.active_tvl)
    }
}
