//! The admin listener: everything that changes something.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{FromRequest, Path, Request, State, rejection::JsonRejection},
    middleware,
    routing::post,
};
use bitcoin::{Address, Amount, FeeRate, OutPoint, address::NetworkUnchecked};
use serde::de::DeserializeOwned;
use trestle_actors::coordinator::view::PayRequest;
use trestle_wire::committee::{payment::MAX_RECIPIENTS, sign::MAX_TEXT};

use super::{
    ApiError, ApiState,
    dto::{
        DoneDto, KeyDto, PayBody, PaymentDto, RecipientDto, ReleaseBody, RescanBody, SignBody,
        SignedTextDto,
    },
    error::ErrorBody,
    guard::{self, Guard},
    limits,
    public::{coordinator, unknown},
    token::Token,
};
use trestle_keys::taproot::bitcoin_network;

/// All admin routes, for a listener bound to `listen`.
pub fn router(state: ApiState, token: Token, listen: SocketAddr, hosts: &[String]) -> Router {
    let guard = Arc::new(Guard::new(token, listen, hosts));
    let routes = Router::new()
        .route("/v1/committees/{name}/dkg", post(dkg))
        .route("/v1/committees/{name}/sign", post(sign))
        .route("/v1/committees/{name}/pay", post(pay))
        .route("/v1/committees/{name}/payments/{id}/cancel", post(cancel))
        .route("/v1/committees/{name}/coins/{outpoint}/release", post(release))
        .route("/v1/committees/{name}/coins/{outpoint}/freeze", post(freeze))
        .route("/v1/committees/{name}/coins/{outpoint}/unfreeze", post(unfreeze))
        .route("/v1/committees/{name}/rescan", post(rescan))
        .fallback(unknown);
    // Outermost: the guard. Whoever has no token uses up none of the operator's allowance.
    limits::answers(routes, limits::Limits::ADMIN)
        .layer(middleware::from_fn_with_state(guard, guard::admit))
        .with_state(state)
}

/// Makes a new key and answers once it is usable.
#[utoipa::path(post, path = "/v1/committees/{name}/dkg", tag = "admin",
    params(("name" = String, Path, description = "The committee's name")),
    responses((status = 200, body = KeyDto), (status = 502, body = ErrorBody, description = "No key was made; the message says who was missing or misbehaved")))]
pub(super) async fn dkg(
    State(state): State<ApiState>,
    Path(name): Path<String>,
) -> Result<Json<KeyDto>, ApiError> {
    Ok(Json(coordinator(&state)?.dkg(name).await?.into()))
}

/// Signs a text as BIP-322 (simple) says.
#[utoipa::path(post, path = "/v1/committees/{name}/sign", tag = "admin", request_body = SignBody,
    params(("name" = String, Path, description = "The committee's name")),
    responses((status = 200, body = SignedTextDto), (status = 422, body = ErrorBody, description = "Too few members agree to the text"), (status = 502, body = ErrorBody, description = "Too few members signed in time")))]
pub(super) async fn sign(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    Body(body): Body<SignBody>,
) -> Result<Json<SignedTextDto>, ApiError> {
    let text = match (body.text, body.hex) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(hex)) => hex::decode(hex)
            .map_err(|_| ApiError::invalid("hex: expected pairs of hexadecimal digits"))?,
        _ => return Err(ApiError::invalid("expected exactly one of text and hex")),
    };
    if text.len() > MAX_TEXT {
        return Err(ApiError::invalid(format!("a text has at most {MAX_TEXT} bytes")));
    }
    let signed = coordinator(&state)?.sign_text(name, text).await?;
    Ok(Json(SignedTextDto { address: signed.address.to_string(), signature: signed.signature }))
}

/// Accepts a payment, or finds the one made for the same idempotency key.
#[utoipa::path(post, path = "/v1/committees/{name}/pay", tag = "admin", request_body = PayBody,
    params(("name" = String, Path, description = "The committee's name")),
    responses((status = 200, body = PaymentDto), (status = 422, body = ErrorBody)))]
pub(super) async fn pay(
    State(state): State<ApiState>,
    Path(committee): Path<String>,
    Body(body): Body<PayBody>,
) -> Result<Json<PaymentDto>, ApiError> {
    let coordinator = coordinator(&state)?;
    let key = &body.idempotency_key;
    if key.is_empty() || key.len() > 64 || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = "idempotency_key: expected 1 to 64 printable ASCII characters without spaces";
        return Err(ApiError::invalid(what));
    }
    if matches!(key.as_str(), "." | "..") {
        // Such a part of a path is taken for a folder, so nobody could name the payment.
        return Err(ApiError::invalid("idempotency_key: expected more than dots"));
    }
    if body.recipients.is_empty() || body.recipients.len() > MAX_RECIPIENTS {
        return Err(ApiError::invalid(format!("recipients: expected 1 to {MAX_RECIPIENTS}")));
    }
    let network = bitcoin_network(state.facts.network);
    let recipients = body.recipients.iter().map(|one| recipient(one, network));
    let request = PayRequest {
        committee,
        idempotency_key: body.idempotency_key.clone(),
        recipients: recipients.collect::<Result<_, _>>()?,
        fee_rate: body.fee_rate_sat_per_kvb.map(fee_rate).transpose()?,
    };
    Ok(Json(coordinator.pay(request).await?.into()))
}

/// Gives a payment up, as long as no version of it is signed.
#[utoipa::path(post, path = "/v1/committees/{name}/payments/{id}/cancel", tag = "admin",
    params(("name" = String, Path, description = "The committee's name"), ("id" = String, Path, description = "The payment's id, or its request's idempotency key")),
    responses((status = 200, body = PaymentDto), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody, description = "A version is signed, and can confirm for ever")))]
pub(super) async fn cancel(
    State(state): State<ApiState>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<PaymentDto>, ApiError> {
    Ok(Json(coordinator(&state)?.cancel(name, id).await?.into()))
}

/// Pays a coin to the committee itself, whatever payment members have bound it to.
#[utoipa::path(post, path = "/v1/committees/{name}/coins/{outpoint}/release", tag = "admin", request_body = ReleaseBody,
    params(("name" = String, Path, description = "The committee's name"), ("outpoint" = String, Path, description = "TXID:VOUT")),
    responses((status = 200, body = PaymentDto), (status = 404, body = ErrorBody), (status = 422, body = ErrorBody, description = "An open payment spends it, it is frozen, or it has too few confirmations")))]
pub(super) async fn release(
    State(state): State<ApiState>,
    Path((name, coin)): Path<(String, String)>,
    Body(body): Body<ReleaseBody>,
) -> Result<Json<PaymentDto>, ApiError> {
    let rate = body.fee_rate_sat_per_kvb.map(fee_rate).transpose()?;
    let coin = outpoint(&coin)?;
    Ok(Json(coordinator(&state)?.release(name, coin, rate).await?.into()))
}

/// Sets a coin aside.
#[utoipa::path(post, path = "/v1/committees/{name}/coins/{outpoint}/freeze", tag = "admin",
    params(("name" = String, Path, description = "The committee's name"), ("outpoint" = String, Path, description = "TXID:VOUT")),
    responses((status = 200, body = DoneDto), (status = 404, body = ErrorBody)))]
pub(super) async fn freeze(
    State(state): State<ApiState>,
    Path((name, coin)): Path<(String, String)>,
) -> Result<Json<DoneDto>, ApiError> {
    set_frozen(&state, name, &coin, true).await
}

/// Takes a frozen coin back.
#[utoipa::path(post, path = "/v1/committees/{name}/coins/{outpoint}/unfreeze", tag = "admin",
    params(("name" = String, Path, description = "The committee's name"), ("outpoint" = String, Path, description = "TXID:VOUT")),
    responses((status = 200, body = DoneDto), (status = 404, body = ErrorBody)))]
pub(super) async fn unfreeze(
    State(state): State<ApiState>,
    Path((name, coin)): Path<(String, String)>,
) -> Result<Json<DoneDto>, ApiError> {
    set_frozen(&state, name, &coin, false).await
}

/// Reads the blocks again from a height.
#[utoipa::path(post, path = "/v1/committees/{name}/rescan", tag = "admin", request_body = RescanBody,
    params(("name" = String, Path, description = "The committee's name")),
    responses((status = 200, body = DoneDto), (status = 404, body = ErrorBody)))]
pub(super) async fn rescan(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    Body(body): Body<RescanBody>,
) -> Result<Json<DoneDto>, ApiError> {
    coordinator(&state)?.rescan(name, body.height).await?;
    Ok(Json(DoneDto { ok: true }))
}

async fn set_frozen(
    state: &ApiState,
    name: String,
    coin: &str,
    frozen: bool,
) -> Result<Json<DoneDto>, ApiError> {
    let coin = outpoint(coin)?;
    coordinator(state)?.freeze(name, coin, frozen).await?;
    Ok(Json(DoneDto { ok: true }))
}

fn outpoint(coin: &str) -> Result<OutPoint, ApiError> {
    coin.parse().map_err(|_| ApiError::invalid(format!("expected TXID:VOUT, got {coin:?}")))
}

fn recipient(one: &RecipientDto, network: bitcoin::Network) -> Result<(Address, Amount), ApiError> {
    let wrong = |what: String| ApiError::invalid(format!("recipient {:?}: {what}", one.address));
    let address: Address<NetworkUnchecked> =
        one.address.parse().map_err(|e| wrong(format!("not an address: {e}")))?;
    let address = address
        .require_network(network)
        .map_err(|_| wrong(format!("not an address of this node's network, {network}")))?;
    let value = Amount::from_sat(one.sats);
    if value == Amount::ZERO || value > Amount::MAX_MONEY {
        return Err(wrong(format!("{} is not an amount of satoshis to pay", one.sats)));
    }
    Ok((address, value))
}

fn fee_rate(per_kvb: u64) -> Result<FeeRate, ApiError> {
    // 1,000 vB are 4,000 weight units. Rounded up: never below what was asked for.
    if !(100..=100_000_000).contains(&per_kvb) {
        return Err(ApiError::invalid("fee_rate_sat_per_kvb: expected 100 to 100000000"));
    }
    Ok(FeeRate::from_sat_per_kwu(per_kvb.div_ceil(4)))
}

/// A JSON body whose errors have our form.
pub(super) struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(value) = Json::<T>::from_request(request, state)
            .await
            .map_err(|e: JsonRejection| ApiError::new(e.status(), "body", e.body_text()))?;
        Ok(Self(value))
    }
}
