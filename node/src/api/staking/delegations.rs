//! Delegations: of a staker, and one by its transaction.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use trestle_actors::staking::{
    pipeline,
    query::{self, Delegated},
};
use trestle_staking::{
    delegation::{StakerKey, StateName},
    pipeline::{Outlook, Phase, Request},
};

use super::{
    Answer, StakingState, data,
    dto::{DelegationDto, Envelope, FaultDto, LockDto},
    error::{NOT_FOUND, StakingError},
    figures::{DelegationViewDto, UnbondingProgressDto},
    input::{Input, missing},
    page::{DelegationsKey, PageKey as _},
    paged,
    time::rfc3339,
};

/// A staker's delegations, the latest block first, then by transaction hash.
///
/// With `state`, a page may be shorter than others, or empty, although there is a next one.
#[utoipa::path(get, path = "/v1/staker/delegations", tag = "staking",
    params(
        ("staker_btc_pk" = String, Query, description = "The staker's x-only public key, 64 hex digits"),
        ("state" = Option<String>, Query, description = "Only delegations in this state"),
        ("pagination_key" = Option<String>, Query, description = "`next_key` of the page before"),
    ),
    responses((status = 200, body = Envelope<Vec<DelegationDto>>), (status = 400, body = FaultDto)))]
pub(in crate::api) async fn staker_delegations(
    State(state): State<Arc<StakingState>>,
    input: Input,
) -> Answer<Vec<DelegationDto>> {
    const KEY: &str = "staker_btc_pk";
    let staker: StakerKey = input.key(KEY)?.ok_or_else(|| missing(KEY))?.into();
    let said = input.text("state").map(named).transpose()?;
    let page = DelegationsKey::read(&input)?;
    let (mut filter, mut after) = (said, None);
    if let Some(page) = page {
        let before = page.state()?;
        if before.is_some() && said.is_some() && before != said {
            return Err(StakingError::bad("pagination_key is of another state than this one"));
        }
        filter = said.or(before);
        after = Some(page.place()?);
    }
    let limit = u32::from(state.config.delegations_page);
    let page = query::delegations(state.store.as_ref(), staker, filter, after, limit).await?;
    let next = page.next.map(|place| DelegationsKey::new(place, filter).encode());
    let rows = page.rows.iter().map(shown).collect::<Result<_, _>>()?;
    Ok(paged(rows, next))
}

/// A state by its name. `unconfirmed` is one that nothing shown can be in.
fn named(text: &str) -> Result<StateName, StakingError> {
    let wrong =
        |error: &dyn std::fmt::Display| StakingError::bad(format!("invalid state: {error}"));
    match text.parse::<StateName>().map_err(|error| wrong(&error))? {
        StateName::Unconfirmed => Err(wrong(&trestle_staking::delegation::UnknownState)),
        state @ (StateName::Active
        | StateName::UnbondingRequested
        | StateName::Unbonding
        | StateName::Unbonded
        | StateName::Withdrawn
        | StateName::Slashed
        | StateName::SpentOtherwise) => Ok(state),
    }
}

/// The delegation of a staking transaction.
#[utoipa::path(get, path = "/v1/delegation", tag = "staking",
    params(("staking_tx_hash_hex" = String, Query, description = "The staking transaction's hash")),
    responses(
        (status = 200, body = Envelope<DelegationViewDto>),
        (status = 400, body = FaultDto),
        (status = 404, body = FaultDto, description = "NOT_FOUND: no confirmed stake of that hash"),
    ))]
pub(in crate::api) async fn delegation(
    State(state): State<Arc<StakingState>>,
    input: Input,
) -> Answer<DelegationViewDto> {
    let txid = input.txid("staking_tx_hash_hex")?;
    let found = query::delegation(state.store.as_ref(), txid).await?.ok_or_else(|| {
        let message = "staking delegation not found, please retry";
        StakingError::new(StatusCode::NOT_FOUND, NOT_FOUND, message)
    })?;
    let request = match found.1.delegation.request() {
        Some(unbonding) => pipeline::request(state.store.as_ref(), unbonding).await?,
        None => pipeline::dropped(state.store.as_ref(), txid).await?,
    };
    let unbonding_request = request.as_ref().map(progress);
    Ok(data(DelegationViewDto { delegation: shown(&found)?, unbonding_request }))
}

pub(super) fn progress(request: &Request) -> UnbondingProgressDto {
    let rates = match request.outlook() {
        Outlook::Stuck(rates) if request.phase() == Phase::Stuck => Some(*rates),
        Outlook::Stuck(_)
        | Outlook::Unsent
        | Outlook::Mempool
        | Outlook::Mined
        | Outlook::InputMissing
        | Outlook::Conflict
        | Outlook::Rejected(_) => None,
    };
    UnbondingProgressDto {
        unbonding_tx_hash_hex: request.txid().to_string(),
        phase: request.phase().as_str().into(),
        signatures: u32::try_from(request.signers().count()).unwrap_or(u32::MAX),
        quorum: request.order().quorum(),
        fee_rate_sat_per_kvb: rates.map(|rates| rates.ours),
        minimum_fee_rate_sat_per_kvb: rates.and_then(|rates| rates.minimum),
        note: note(request.phase()).map(str::to_owned),
    }
}

/// What a request needs, or why it has ended without its transaction.
pub(super) const fn note(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Collecting
        | Phase::Assembled
        | Phase::Broadcasting
        | Phase::InMempool
        | Phase::Mined
        | Phase::Confirmed
        | Phase::Rechecking => None,
        Phase::Stuck => Some("its fixed fee is below the mempool's minimum: it is sent again"),
        Phase::Waiting => Some("the stake is not in the chain: it waits until it is"),
        Phase::Expired => Some("the stake's lock ended first: it can be withdrawn"),
        Phase::InputSpent => Some("something else has spent the stake"),
        Phase::Dropped => Some(
            "the stake has moved to a block with other parameters, so the staker's signature does \
             not fit any more: ask to unbond again",
        ),
    }
}

/// A row as clients know it.
fn shown((key, row): &Delegated) -> Result<DelegationDto, StakingError> {
    let damaged = || StakingError::internal(format!("the row of {} is damaged", *key.txid));
    let delegation = &row.delegation;
    let stake = delegation.stake().ok_or_else(damaged)?;
    let unbonding_tx = delegation.unbonding().zip(row.unbonding_tx.as_ref());
    Ok(DelegationDto {
        staking_tx_hash_hex: key.txid.to_string(),
        staker_pk_hex: hex::encode(stake.staker.0),
        finality_provider_pk_hex: hex::encode(stake.provider.0),
        state: delegation.name().as_str().into(),
        staking_value: stake.value,
        staking_tx: LockDto {
            tx_hex: hex::encode(&row.staking_tx),
            output_index: stake.output_index,
            start_timestamp: rfc3339(row.start_timestamp),
            start_height: stake.height.into(),
            timelock: stake.timelock.into(),
        },
        unbonding_tx: unbonding_tx.map(|(unbonding, tx)| LockDto {
            tx_hex: hex::encode(&tx.bytes),
            output_index: 0,
            start_timestamp: rfc3339(tx.timestamp),
            start_height: unbonding.height.into(),
            timelock: unbonding.timelock.into(),
        }),
        is_overflow: stake.overflow,
    })
}
