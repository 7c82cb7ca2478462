//! Paying and signing with a wallet of bitcoind.

use bitcoin::{
    Address, Psbt, Transaction, XOnlyPublicKey, consensus::encode::deserialize_hex,
    secp256k1::Secp256k1,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{amount::Rate, chain::Chain, psbt};
use crate::cli::CliError;

/// What to put into a transaction that the wallet pays for.
pub(super) struct Funding {
    /// The outputs, in bitcoind's form and in order; change comes after them.
    pub(super) outputs: Vec<Value>,
    /// Coins that are spent in any case, and alone.
    pub(super) coins: Vec<bitcoin::OutPoint>,
    pub(super) change: Option<String>,
    pub(super) lock_time: u32,
    pub(super) rate: Rate,
    pub(super) replaceable: bool,
}

/// A transaction of the wallet's coins, not signed.
pub(super) async fn fund(wallet: &Chain, funding: &Funding) -> Result<(Psbt, u64), CliError> {
    #[derive(Deserialize)]
    struct Funded {
        psbt: String,
        #[serde(with = "bitcoin::amount::serde::as_btc")]
        fee: bitcoin::Amount,
    }
    let inputs: Vec<Value> =
        funding.coins.iter().map(|at| json!({ "txid": at.txid, "vout": at.vout })).collect();
    let mut options = json!({
        "add_inputs": inputs.is_empty(),
        "changePosition": funding.outputs.len(),
        "fee_rate": funding.rate.decimal(),
        "replaceable": funding.replaceable,
    });
    if let Some(change) = &funding.change {
        options["changeAddress"] = json!(change);
    }
    let call = json!([inputs, funding.outputs, funding.lock_time, options, true]);
    let funded: Funded = wallet.call("walletcreatefundedpsbt", call).await?;
    Ok((parse(&funded.psbt)?, funded.fee.to_sat()))
}

/// The PSBT with the wallet's signatures.
pub(super) async fn process(wallet: &Chain, psbt: &Psbt) -> Result<Psbt, CliError> {
    #[derive(Deserialize)]
    struct Processed {
        psbt: String,
    }
    let call = json!([psbt::encode(psbt), true, "DEFAULT", true, false]);
    let processed: Processed = wallet.call("walletprocesspsbt", call).await?;
    parse(&processed.psbt)
}

/// The signed transaction of a PSBT whose inputs are all the wallet's own coins.
pub(super) async fn finish(wallet: &Chain, psbt: &Psbt) -> Result<Transaction, CliError> {
    #[derive(Deserialize)]
    struct Finished {
        hex: Option<String>,
        complete: bool,
    }
    let signed = process(wallet, psbt).await?;
    let finished: Finished = wallet.call("finalizepsbt", json!([psbt::encode(&signed)])).await?;
    match finished.hex.filter(|_| finished.complete) {
        Some(hex) => deserialize_hex(&hex)
            .map_err(|e| CliError::failed(format!("the wallet's transaction: {e}"))),
        None => Err(CliError::failed("the wallet did not sign all inputs")
            .hint("unlock it (walletpassphrase), or write a PSBT for another with --psbt-out")),
    }
}

/// A key of the wallet's own: the one behind a new Taproot address.
pub(super) async fn new_key(wallet: &Chain) -> Result<XOnlyPublicKey, CliError> {
    let address: String = wallet.call("getnewaddress", json!(["staking", "bech32m"])).await?;
    let info: Value = wallet.call("getaddressinfo", json!([address])).await?;
    let found = info["desc"].as_str().and_then(key_of_descriptor);
    match found {
        Some(key) if has_key(wallet, &key).await? => Ok(key),
        Some(_) | None => Err(CliError::failed(
            "the wallet has no Taproot keys that sign alone; give --staker KEY",
        )
        .hint("a descriptor wallet of bitcoind has them, unless its addresses have scripts")),
    }
}

/// Whether a key is behind a Taproot address of the wallet that it opens alone. The internal key of
/// an address with scripts can be anybody's, or nobody's.
pub(super) async fn has_key(wallet: &Chain, key: &XOnlyPublicKey) -> Result<bool, CliError> {
    let secp = Secp256k1::verification_only();
    let address = Address::p2tr(&secp, *key, None, wallet.network());
    let info: Value = wallet.call("getaddressinfo", json!([address])).await?;
    Ok(info["ismine"] == json!(true))
}

/// The key of `tr([fingerprint/path]KEY)#checksum`.
fn key_of_descriptor(descriptor: &str) -> Option<XOnlyPublicKey> {
    let inside = descriptor.strip_prefix("tr(")?.split([')', ',']).next()?;
    inside.rsplit(']').next()?.parse().ok()
}

fn parse(text: &str) -> Result<Psbt, CliError> {
    psbt::decode(text)
        .map_err(|e| CliError::failed(format!("the wallet's PSBT cannot be read: {e}")))
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn descriptor__should_give_its_key() {
        let key = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let taken = key_of_descriptor(&format!("tr([d34db33f/86h/1h/0h/0/0]{key})#abcdefgh"));
        assert_eq!(taken.map(|key| key.to_string()).as_deref(), Some(key));
        assert!(key_of_descriptor(&format!("wpkh([d34db33f/0]02{key})#x")).is_none());
    }
}
