//! `trestle staking unbond`: the staker's half of an unbonding, and the request for the rest.

use std::path::PathBuf;

use bitcoin::{
    Txid, bip32::KeySource, consensus::encode::serialize_hex, secp256k1::schnorr::Signature,
};
use clap::Args;
use serde::Serialize;
use trestle_staking::tx::Unbonding;

use super::{
    amount::both,
    api::ApiArgs,
    chain::ChainArgs,
    confirm::ConfirmArgs,
    find::{Found, of_delegation},
    follow::FollowArgs,
    key::StakerKey,
    psbt,
    rules::{Rules, RulesArgs},
    signer::SignerArgs,
    wallet,
};
use crate::{
    api::staking::dto::UnbondingRequestDto,
    cli::{CliError, output::Output, table::pairs},
};

/// Which stake, and who signs.
#[derive(Debug, Args)]
pub(in crate::cli) struct UnbondArgs {
    /// The staking transaction.
    txid: Txid,
    #[command(flatten)]
    signer: SignerArgs,
    /// The staker's 64-byte signature.
    #[arg(long, value_name = "HEX", group = "signer")]
    signature: Option<Signature>,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    follow: FollowArgs,
}

#[derive(Serialize)]
struct Done {
    staking_txid: String,
    unbonding_txid: String,
    value_sats: u64,
    fee_sats: u64,
    unbonding_blocks: u16,
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psbt: Option<PathBuf>,
    state: Option<String>,
}

pub(super) async fn run(output: &Output, args: UnbondArgs) -> Result<(), CliError> {
    let rules = args.rules.load(&args.api.node)?;
    let params = &rules.all;
    let api = args.api.connect()?;
    let txid = args.txid.to_string();
    let told = api.delegation(&txid).await?.ok_or_else(|| {
        CliError::failed(format!("no confirmed stake {txid} is known there"))
            .hint("a stake can be unbonded once it is confirmed")
    })?;
    let found = of_delegation(params, &told, args.txid)?;
    args.look_up(&rules, &found).await?;
    let unbonding = Unbonding::new(&found.stake, found.params)
        .map_err(|e| CliError::failed(format!("the unbonding: {e}")))?;
    let tip = api.stats().await.ok().and_then(|stats| stats.btc_height);
    let mut done = Done {
        staking_txid: txid.clone(),
        unbonding_txid: unbonding.transaction().compute_txid().to_string(),
        value_sats: unbonding.transaction().output[0].value.to_sat(),
        fee_sats: found.params.unbonding_fee.to_sat(),
        unbonding_blocks: found.params.unbonding_time,
        // Only a warning depends on it.
        warnings: tip.and_then(|tip| late(&found, tip)).into_iter().collect(),
        psbt: None,
        state: None,
    };
    done.warnings.iter().for_each(|warning| output.note(&format!("warning: {warning}")));
    if let Some(file) = &args.signer.psbt_out {
        psbt::write(file, &unbonding.staker_psbt(KeySource::default()))?;
        done.psbt = Some(file.clone());
        return output.result(&done, text);
    }
    api.ask("/v1/unbonding/eligibility", &[("staking_tx_hash_hex", &txid)]).await?;
    output.note(&summary(&found));
    args.confirm.ask(output, "Unbond it?", args.signer.reads_stdin())?;
    let signature = args.sign(&found, &unbonding).await?;
    if !unbonding.verify_staker(&signature) {
        return Err(CliError::failed("the signature is not the staker's for this unbonding")
            .hint(format!("the staker's key is {}", found.stake.staker)));
    }
    let request = UnbondingRequestDto {
        staking_tx_hash_hex: txid,
        unbonding_tx_hash_hex: done.unbonding_txid.clone(),
        unbonding_tx_hex: serialize_hex(unbonding.transaction()),
        staker_signed_signature_hex: hex::encode(signature.serialize()),
    };
    api.post("/v1/unbonding", &request).await?;
    done.state = Some("unbonding_requested".into());
    if args.follow.wanted() {
        output.note("taken; the covenant committee signs now");
        let until = ["unbonded", "withdrawn", "slashed", "spent_otherwise"];
        let at = found.stake.outpoint;
        let last = args.follow.delegation(output, &api, None, at, &until).await?;
        done.state = Some(last.state);
    }
    output.result(&done, text)
}

impl UnbondArgs {
    /// Where a bitcoind is named, it says whether the stake is in the block that the API says: a
    /// version with the same keys may have another fee.
    async fn look_up(&self, rules: &Rules, found: &Found<'_>) -> Result<(), CliError> {
        if !self.chain.is_given() {
            return Ok(());
        }
        let chain = self.chain.connect(self.api.config_file()).await?;
        rules.fit(chain.network())?;
        found.must_stand(&chain).await
    }

    async fn sign(
        &self,
        found: &Found<'_>,
        unbonding: &Unbonding<'_>,
    ) -> Result<Signature, CliError> {
        let staker = found.stake.staker;
        let in_psbt = |signed: &bitcoin::Psbt| {
            psbt::signature(signed, 0, &staker).ok_or_else(|| {
                CliError::failed(format!("the PSBT has no signature of the staker's key {staker}"))
                    .hint("only the wallet that has this key can sign it")
            })
        };
        if let Some(file) = &self.signer.key_file {
            // An unbonding is the same on every network, and so is its key.
            let key = StakerKey::read(file, None)?;
            if key.x_only() != staker {
                let what = format!("the key is {}, the stake's is {staker}", key.x_only());
                return Err(CliError::usage(what));
            }
            return Ok(key.sign(unbonding.sighash()));
        }
        if let Some(name) = &self.signer.wallet {
            let chain = self.chain.connect(self.api.config_file()).await?;
            let psbt = unbonding.staker_psbt(KeySource::default());
            return in_psbt(&wallet::process(&chain.wallet(name)?, &psbt).await?);
        }
        if let Some(file) = &self.signer.signed_psbt {
            return in_psbt(&psbt::read(file)?);
        }
        self.signature.ok_or_else(|| CliError::usage("who signs?"))
    }
}

/// Told where an unbonding in the next block frees nothing earlier than the lock's own end.
fn late(found: &Found<'_>, tip: u32) -> Option<String> {
    let end = u64::from(found.height) + u64::from(found.stake.time);
    let free = u64::from(tip) + 1 + u64::from(found.params.unbonding_time);
    (free >= end).then(|| {
        format!(
            "the lock ends by itself at block {end}; unbonded now, it is free at block {free} at \
             the earliest, and costs {}",
            both(found.params.unbonding_fee)
        )
    })
}

fn summary(found: &Found<'_>) -> String {
    let Found { stake, params, height } = found;
    let end = u64::from(*height) + u64::from(stake.time);
    format!(
        "stake   {}, of height {height}, locked to block {end}\nfee     {}, fixed by version {} of \
         the parameters\nlocked  {} more block(s) after the unbonding is in a block",
        both(stake.value),
        both(params.unbonding_fee),
        params.version,
        params.unbonding_time
    )
}

fn text(done: &Done) -> String {
    let mut lines = vec![
        ("staking", done.staking_txid.clone()),
        ("unbonding", done.unbonding_txid.clone()),
        ("left", both(bitcoin::Amount::from_sat(done.value_sats))),
    ];
    lines.extend(done.state.iter().map(|state| ("state", state.clone())));
    lines.extend(done.psbt.iter().map(|file| ("PSBT", file.display().to_string())));
    pairs(&lines)
}
