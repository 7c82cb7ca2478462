//! Finality providers: what the registry says of them, and what is delegated to them.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use bitcoin::XOnlyPublicKey;
use rand::seq::SliceRandom as _;
use trestle_actors::staking::query;
use trestle_staking::{
    delegation::ProviderKey,
    providers::{Provider, Providers},
    tally::Counters,
};
use trestle_store::Store;

use super::{
    Answer, StakingState, data,
    dto::{DescriptionDto, Envelope, FaultDto, FinalityProviderDto},
    error::StakingError,
    input::Input,
    page::{PageKey as _, ProvidersKey, RankKey as _},
    paged,
    stats::figure,
};

/// Finality providers, the highest active value first, then by key. On the last page also those of
/// the registry to which nothing was ever delegated. With `fp_btc_pk` the one provider in a list, or
/// `null` if it is not known.
#[utoipa::path(get, path = "/v1/finality-providers", tag = "staking",
    params(
        ("fp_btc_pk" = Option<String>, Query, description = "Only this one, by its x-only public key"),
        ("sort" = Option<String>, Query, description = "`random` shuffles the page"),
        ("pagination_key" = Option<String>, Query, description = "`next_key` of the page before"),
    ),
    responses((status = 200, body = Envelope<Option<Vec<FinalityProviderDto>>>), (status = 400, body = FaultDto)))]
pub(in crate::api) async fn finality_providers(
    State(state): State<Arc<StakingState>>,
    input: Input,
) -> Answer<Option<Vec<FinalityProviderDto>>> {
    let random = random(&input)?;
    if let Some(key) = input.key("fp_btc_pk")? {
        let known = one(&state, key).await?;
        return Ok(data(known.map(|provider| vec![provider])));
    }
    let after = ProvidersKey::read(&input)?.map(|key| key.rank()).transpose()?;
    let first = after.is_none();
    let (mut page, next) = match page(&state, after).await {
        Ok(page) => page,
        // Wallets need the names to build a stake, whatever the state of the figures is.
        Err(error) if first => {
            let (status, registry) =
                (axum::http::StatusCode::INTERNAL_SERVER_ERROR, &state.providers);
            tracing::warn!(%status, error = ?error, "finality providers are shown without figures");
            (registry.entries().iter().map(unused).collect(), None)
        }
        Err(error) => return Err(error),
    };
    if random {
        page.shuffle(&mut rand::thread_rng());
    }
    Ok(paged(Some(page), next))
}

fn random(input: &Input) -> Result<bool, StakingError> {
    match input.text("sort") {
        None => Ok(false),
        Some("random") => Ok(true),
        Some(_) => Err(StakingError::bad("invalid sort: expected random, or nothing")),
    }
}

async fn one(
    state: &StakingState,
    key: XOnlyPublicKey,
) -> Result<Option<FinalityProviderDto>, StakingError> {
    let counters = figures(state.store.as_ref(), ProviderKey::from(key)).await?;
    Ok(match (counters, state.providers.get(&key)) {
        (None, None) => None,
        (None, Some(registered)) => Some(unused(registered)),
        (Some(counters), _) => Some(used(&state.providers, &key.serialize(), &counters)),
    })
}

async fn page(
    state: &StakingState,
    after: Option<query::Rank>,
) -> Result<(Vec<FinalityProviderDto>, Option<String>), StakingError> {
    let limit = u32::from(state.config.providers_page);
    let page = query::providers(state.store.as_ref(), after, limit).await?;
    let on_page: BTreeMap<[u8; 32], &Counters> =
        page.rows.iter().map(|(key, counters)| (*key, counters)).collect();
    let mut shown: Vec<_> =
        page.rows.iter().map(|(key, counters)| used(&state.providers, key, counters)).collect();
    let next = page.next.map(|rank| ProvidersKey::new(rank).encode());
    if next.is_none() {
        shown.extend(never_used(state.store.as_ref(), &state.providers, &on_page).await?);
    }
    Ok((shown, next))
}

/// The figures of a provider that ever had a stake under the cap: one with nothing but overflow has
/// a row, but is not in the ranking.
async fn figures(store: &dyn Store, key: ProviderKey) -> Result<Option<Counters>, StakingError> {
    let counters = query::provider(store, key).await?;
    Ok(counters.filter(|counters| counters.total_delegations > 0))
}

/// As many reads as the registry has entries that are not on the page: the operator's own file
/// bounds it.
async fn never_used(
    store: &dyn Store,
    registry: &Providers,
    on_page: &BTreeMap<[u8; 32], &Counters>,
) -> Result<Vec<FinalityProviderDto>, StakingError> {
    let mut never = Vec::new();
    for entry in registry.entries() {
        let key = entry.key.serialize();
        let used = on_page.contains_key(&key) || figures(store, ProviderKey(key)).await?.is_some();
        if !used {
            never.push(unused(entry));
        }
    }
    Ok(never)
}

fn unused(entry: &Provider) -> FinalityProviderDto {
    with_figures(Some(entry), &entry.key.serialize(), &Counters::default())
}

fn used(registry: &Providers, key: &[u8; 32], counters: &Counters) -> FinalityProviderDto {
    let parsed = XOnlyPublicKey::from_slice(key).ok();
    with_figures(parsed.and_then(|key| registry.get(&key)), key, counters)
}

fn with_figures(
    entry: Option<&Provider>,
    key: &[u8; 32],
    counters: &Counters,
) -> FinalityProviderDto {
    let description = entry.map(|entry| entry.description.clone()).unwrap_or_default();
    FinalityProviderDto {
        description: DescriptionDto {
            moniker: description.moniker,
            identity: description.identity,
            website: description.website,
            security_contact: description.security_contact,
            details: description.details,
        },
        commission: entry.map(|entry| entry.commission.clone()).unwrap_or_default(),
        btc_pk: hex::encode(key),
        active_tvl: figure(counters.active_tvl),
        total_tvl: figure(counters.total_tvl),
        active_delegations: figure(counters.active_delegations),
        total_delegations: figure(counters.total_delegations),
    }
}
