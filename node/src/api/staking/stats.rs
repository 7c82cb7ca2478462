//! Figures: of all stakes, and by staker.

use std::sync::Arc;

use axum::extract::State;
use trestle_actors::staking::query;
use trestle_staking::tally::Counters;

use super::{
    Answer, StakingState, data,
    dto::{Envelope, FaultDto, OverallStatsDto, StakerStatsDto},
    figures::{HonestDto, StatsDto},
    input::Input,
    page::{PageKey as _, RankKey as _, StakersKey},
    paged,
};

/// All stakes together: one row, so that all figures are of the same moment.
#[utoipa::path(get, path = "/v1/stats", tag = "staking",
    responses((status = 200, body = Envelope<StatsDto>)))]
pub(in crate::api) async fn overall_stats(
    State(state): State<Arc<StakingState>>,
) -> Answer<StatsDto> {
    let query::Stats { totals, head } = query::stats(state.store.as_ref()).await?;
    let (known, counters, tip) = (totals.compat(), &totals.counters, &totals.tip);
    Ok(data(StatsDto {
        known: OverallStatsDto {
            active_tvl: known.active_tvl,
            total_tvl: known.total_tvl,
            active_delegations: known.active_delegations,
            total_delegations: known.total_delegations,
            total_stakers: known.total_stakers,
            unconfirmed_tvl: known.unconfirmed_tvl,
            pending_tvl: totals.pending_tvl(),
        },
        honest: HonestDto {
            locked_tvl: figure(counters.locked_tvl),
            locked_delegations: figure(counters.locked_delegations),
            locked_stakers: figure(totals.locked_stakers),
            overflow_tvl: figure(counters.overflow_tvl),
            overflow_delegations: figure(counters.overflow_delegations),
            tip_locked_tvl: figure(tip.tip_locked_tvl),
            chain_tvl: figure(tip.chain_tvl),
        },
        btc_height: head.and_then(|head| head.tip()).map(|tip| tip.height),
        confirmed_height: head.and_then(|head| head.confirmed()),
    }))
}

/// Stakers, the highest active value first, then by key. With `staker_btc_pk` the one staker in a
/// list, or `null` if it never staked under the cap.
#[utoipa::path(get, path = "/v1/stats/staker", tag = "staking",
    params(
        ("staker_btc_pk" = Option<String>, Query, description = "Only this one, by its x-only public key"),
        ("pagination_key" = Option<String>, Query, description = "`next_key` of the page before"),
    ),
    responses((status = 200, body = Envelope<Option<Vec<StakerStatsDto>>>), (status = 400, body = FaultDto)))]
pub(in crate::api) async fn staker_stats(
    State(state): State<Arc<StakingState>>,
    input: Input,
) -> Answer<Option<Vec<StakerStatsDto>>> {
    let store = state.store.as_ref();
    if let Some(key) = input.key("staker_btc_pk")? {
        let counters = query::staker(store, key.into()).await?;
        // A staker with nothing but overflow has a row, but no figures that clients know.
        let known = counters.filter(|counters| counters.total_delegations > 0);
        return Ok(data(known.map(|counters| vec![shown(&key.serialize(), &counters)])));
    }
    let after = StakersKey::read(&input)?.map(|key| key.rank()).transpose()?;
    let page = query::stakers(store, after, u32::from(state.config.providers_page)).await?;
    let next = page.next.map(|rank| StakersKey::new(rank).encode());
    let rows = page.rows.iter().map(|(key, counters)| shown(key, counters)).collect();
    Ok(paged(Some(rows), next))
}

fn shown(key: &[u8; 32], counters: &Counters) -> StakerStatsDto {
    StakerStatsDto {
        staker_pk_hex: hex::encode(key),
        active_tvl: figure(counters.active_tvl),
        total_tvl: figure(counters.total_tvl),
        active_delegations: figure(counters.active_delegations),
        total_delegations: figure(counters.total_delegations),
    }
}

/// A figure that is never negative in a tally that holds together.
pub(super) fn figure(figure: i64) -> u64 {
    u64::try_from(figure).unwrap_or(0)
}
