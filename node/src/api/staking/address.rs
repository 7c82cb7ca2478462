//! Stakers by the addresses that belong to their keys.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use bitcoin::{Address, WitnessProgram, address::NetworkUnchecked};
use serde::Serialize;
use trestle_actors::staking::{addresses, query};
use trestle_keys::taproot::bitcoin_network;
use trestle_staking::delegation::{StakerKey, StateName};
use trestle_wire::Network;
use utoipa::ToSchema;

use super::{
    Answer, StakingState, data,
    dto::{Envelope, FaultDto},
    error::StakingError,
    input::{Input, missing},
    time::DAY,
};

const NAME: &str = "address";
/// Most addresses in one question.
const MOST: usize = 10;
/// Active delegations of one staker that are looked at for one that began today, in pages.
const PAGES: u32 = 10;
const PAGE: u32 = 100;
/// How far header times may go back from block to block: the median of eleven bounds it to hours.
const UNORDERED: u64 = DAY;

/// Whether an address's staker has an active delegation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct CheckDto {
    /// Whether it has.
    data: bool,
    /// Always 0.
    code: u8,
}

/// Whether the staker behind an address has an active delegation; with `timeframe=today`, one that
/// began since midnight UTC.
#[utoipa::path(get, path = "/v1/staker/delegation/check", tag = "staking",
    params(
        ("address" = String, Query, description = "A P2TR or P2WPKH address of the staker's key"),
        ("timeframe" = Option<String>, Query, description = "`today`, or nothing"),
    ),
    responses((status = 200, body = CheckDto), (status = 400, body = FaultDto)))]
pub(in crate::api) async fn delegation_check(
    State(state): State<Arc<StakingState>>,
    input: Input,
) -> Result<Json<CheckDto>, StakingError> {
    let program = program(input.required(NAME)?, state.network)?;
    let now = (state.now)();
    let since = match input.text("timeframe") {
        None => 0,
        Some("today") => now - now % DAY,
        Some(_) => return Err(StakingError::bad("invalid timeframe: expected today, or nothing")),
    };
    let data = match addresses::staker_at(state.store.as_ref(), &program).await? {
        Some(staker) => is_active(&state, staker, since).await?,
        None => false,
    };
    Ok(Json(CheckDto { data, code: 0 }))
}

async fn is_active(
    state: &StakingState,
    staker: StakerKey,
    since: u64,
) -> Result<bool, StakingError> {
    let mut after = None;
    for _ in 0..PAGES {
        let active = Some(StateName::Active);
        let page = query::delegations(state.store.as_ref(), staker, active, after, PAGE).await?;
        let mut began = page.rows.iter().map(|(_, row)| u64::from(row.start_timestamp));
        if began.clone().any(|began| began >= since) {
            return Ok(true);
        }
        // The highest blocks come first: what follows is older still.
        let old = began.any(|began| began.saturating_add(UNORDERED) < since);
        after = page.next;
        if old || after.is_none() {
            break;
        }
    }
    Ok(false)
}

/// The keys behind addresses, of those that have staked; others are left out.
#[utoipa::path(get, path = "/v1/staker/pubkey-lookup", tag = "staking",
    params(("address" = Vec<String>, Query, description = "1 to 10 P2TR or P2WPKH addresses, each as `address=…`")),
    responses((status = 200, body = Envelope<BTreeMap<String, String>>), (status = 400, body = FaultDto)))]
pub(in crate::api) async fn pubkey_lookup(
    State(state): State<Arc<StakingState>>,
    input: Input,
) -> Answer<BTreeMap<String, String>> {
    let asked: Vec<&str> = input.texts(NAME).take(MOST + 1).collect();
    if asked.is_empty() {
        return Err(missing(NAME));
    }
    if asked.len() > MOST {
        return Err(StakingError::bad(format!("too many addresses: at most {MOST} at once")));
    }
    // All are checked before any is looked up.
    let programs = asked.into_iter().map(|text| {
        let program = program(text, state.network);
        program.map(|program| (text, program))
    });
    let mut known = BTreeMap::new();
    for (text, program) in programs.collect::<Result<Vec<_>, StakingError>>()? {
        if let Some(staker) = addresses::staker_at(state.store.as_ref(), &program).await? {
            known.insert(text.to_owned(), hex::encode(staker.0));
        }
    }
    Ok(data(known))
}

/// What an address pays to; P2TR and P2WPKH of this network only, since no other belongs to one key.
fn program(text: &str, network: Network) -> Result<WitnessProgram, StakingError> {
    let wrong = |what: String| StakingError::bad(format!("invalid {NAME}: {what}"));
    let address: Address<NetworkUnchecked> =
        text.parse().map_err(|error| wrong(format!("{error}")))?;
    let network = bitcoin_network(network);
    let address = address
        .require_network(network)
        .map_err(|_| wrong(format!("not an address of this network, {network}")))?;
    let program = address.witness_program();
    program
        .filter(|program| program.is_p2tr() || program.is_p2wpkh())
        .ok_or_else(|| wrong("unsupported type: expected a P2TR or P2WPKH address".into()))
}
