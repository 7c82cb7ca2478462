//! What a wallet answers.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitcoin::{
    Psbt, TapSighashType,
    key::Secp256k1,
    secp256k1::{Message, schnorr::Signature},
};
use serde::Deserialize;
use trestle_actors::ports::{ChainError, SigningOrder};

use super::{METHOD, WalletError};
use crate::rpc::{CallError, Reply, code, read};

#[derive(Deserialize)]
struct Processed {
    psbt: String,
}

/// A reply in its type, with the errors that only wallets have.
pub(super) fn result<'a, T: Deserialize<'a>>(
    method: &str,
    wallet: &str,
    reply: Reply<'a>,
) -> Result<T, WalletError> {
    let unreadable = |error: ChainError| WalletError::Malformed(error.to_string());
    match reply {
        Ok(json) => read(method, Ok(json)).map_err(|error| unreadable(error.into())),
        Err(error) => Err(refusal(method, wallet, error)),
    }
}

fn refusal(method: &str, wallet: &str, error: CallError) -> WalletError {
    match error.code {
        code::WALLET_NOT_FOUND => WalletError::NotLoaded(wallet.to_owned()),
        code::WALLET_UNLOCK_NEEDED => WalletError::Locked,
        code => WalletError::Refused(format!("{method}: {} (code {code})", error.message)),
    }
}

/// The signature for an order, verified.
pub(super) fn signature(
    order: &SigningOrder,
    wallet: &str,
    reply: Reply<'_>,
) -> Result<Signature, WalletError> {
    let processed: Processed = result(METHOD, wallet, reply)?;
    let bytes = STANDARD.decode(&processed.psbt);
    let bytes = bytes.map_err(|error| WalletError::Malformed(format!("its PSBT: {error}")))?;
    let psbt = Psbt::deserialize(&bytes);
    let psbt = psbt.map_err(|error| WalletError::Malformed(format!("its PSBT: {error}")))?;
    let key = order.key.inner.x_only_public_key().0;
    let leaf = order.spend.spent()[0].leaf.hash();
    let input = psbt.inputs.first();
    let found = input.and_then(|input| input.tap_script_sigs.get(&(key, leaf)));
    let signed = found.ok_or(WalletError::NotHeld(order.key))?;
    if signed.sighash_type != TapSighashType::Default {
        return Err(WalletError::Sighash(signed.sighash_type));
    }
    let message = Message::from_digest(order.sighash);
    let verified = Secp256k1::verification_only().verify_schnorr(&signed.signature, &message, &key);
    verified.map(|()| signed.signature).map_err(|_| WalletError::Invalid(order.key))
}
