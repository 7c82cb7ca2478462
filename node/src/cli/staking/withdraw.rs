//! `trestle staking withdraw`: what is past its lock, to one address.

use std::path::PathBuf;

use bitcoin::{
    Address, Amount, Psbt, Transaction, Txid, address::NetworkUnchecked, bip32::KeySource,
    consensus::encode::serialize_hex, secp256k1::schnorr::Signature,
};
use clap::Args;
use serde::Serialize;
use trestle_staking::{
    expiry::Timelock,
    tx::{Withdrawable, Withdrawal},
};

use super::{
    amount::{Rate, both},
    api::ApiArgs,
    chain::{Chain, ChainArgs},
    confirm::ConfirmArgs,
    find::Finder,
    key::StakerKey,
    psbt,
    replace::Replaced,
    rules::RulesArgs,
    signer::SignerArgs,
    wallet,
    warnings::{FEE_PERCENT, is_dear},
};
use crate::cli::{CliError, output::Output, table::pairs};

/// What goes where, and who signs.
#[derive(Debug, Args)]
pub(in crate::cli) struct WithdrawArgs {
    /// Staking or unbonding transactions; of a stake that was unbonded either will do.
    #[arg(required = true, value_name = "TXID")]
    txids: Vec<Txid>,
    /// Where everything goes.
    #[arg(long, value_name = "ADDRESS")]
    to: Address<NetworkUnchecked>,
    /// In sat/vB; without it bitcoind is asked.
    #[arg(long, value_name = "SAT/VB", value_parser = Rate::parse)]
    fee_rate: Option<Rate>,
    /// Takes the place of a transaction in the mempool that withdraws the same: give all that it
    /// does, and a higher --fee-rate.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    signer: SignerArgs,
    /// Where a wallet finds the staker's key: FINGERPRINT/PATH, for --psbt-out.
    #[arg(long, value_name = "ORIGIN", value_parser = psbt::origin)]
    key_origin: Option<KeySource>,
    #[command(flatten)]
    rules: RulesArgs,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    confirm: ConfirmArgs,
}

#[derive(Serialize)]
struct Done {
    txid: String,
    inputs: usize,
    to: String,
    value_sats: u64,
    fee_sats: u64,
    warnings: Vec<String>,
    broadcast: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psbt: Option<PathBuf>,
    /// What it takes the place of in the mempool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replaces: Vec<String>,
}

pub(super) async fn run(output: &Output, args: WithdrawArgs) -> Result<(), CliError> {
    let rules = args.rules.load(&args.api.node)?;
    let api = args.api.maybe()?;
    let chain = args.chain.connect(args.api.config_file()).await?;
    rules.fit(chain.network())?;
    let to =
        args.to.clone().require_network(chain.network()).map_err(|_| {
            CliError::usage(format!("--to is not an address of {}", chain.network()))
        })?;
    let (replaces, api) = (args.replace, api.as_ref());
    let finder = Finder { chain: &chain, api, params: &rules.all, replaces };
    let mut from = Vec::with_capacity(args.txids.len());
    for txid in &args.txids {
        from.push(finder.withdrawable(*txid).await?);
    }
    let tip = chain.height().await?;
    ripe(&args.txids, &from, tip)?;
    let from: Vec<Withdrawable> = from.into_iter().map(|(each, _)| each).collect();
    let value: Amount = from.iter().map(Withdrawable::value).sum();
    let rate = chain.rate(args.fee_rate).await?;
    let withdrawal = Withdrawal::with_rate(from, to.script_pubkey(), rate.rate())
        .map_err(|e| CliError::failed(format!("the withdrawal: {e}")))?;
    let left = withdrawal.transaction().output[0].value;
    let fee = value - left;
    let replaced = Replaced::by(&chain, withdrawal.transaction()).await?;
    let mut done = Done {
        txid: withdrawal.transaction().compute_txid().to_string(),
        inputs: args.txids.len(),
        to: to.to_string(),
        value_sats: left.to_sat(),
        fee_sats: fee.to_sat(),
        warnings: dear(fee, value).into_iter().chain(replaced.warnings.clone()).collect(),
        broadcast: false,
        tx_hex: None,
        psbt: None,
        replaces: replaced.txids.iter().map(Txid::to_string).collect(),
    };
    done.replaces.iter().for_each(|before| output.note(&format!("replaces  {before}")));
    done.warnings.iter().for_each(|warning| output.note(&format!("warning: {warning}")));
    if let Some(file) = &args.signer.psbt_out {
        let origin = args.key_origin.clone().unwrap_or_default();
        psbt::write(file, &withdrawal.psbt(&origin))?;
        done.psbt = Some(file.clone());
        return output.result(&done, text);
    }
    output.note(&format!("withdraw  {} to {to}\nfee       {}", both(left), both(fee)));
    args.confirm.ask(output, "Sign and send it?", args.signer.reads_stdin())?;
    let signed = args.sign(&chain, withdrawal).await?;
    replaced.is_still_so(&chain, &signed).await?;
    chain.broadcast(&signed).await?;
    done.broadcast = true;
    done.tx_hex = Some(serialize_hex(&signed));
    output.result(&done, text)
}

fn dear(fee: Amount, value: Amount) -> Option<String> {
    is_dear(fee, value).then(|| {
        format!("the fee of {} is over {FEE_PERCENT} % of the {} withdrawn", both(fee), both(value))
    })
}

/// Refuses what the next block may not spend yet, all of it at once, with the heights.
fn ripe(txids: &[Txid], from: &[(Withdrawable, Timelock)], tip: u32) -> Result<(), CliError> {
    let early: Vec<String> = txids
        .iter()
        .zip(from)
        .filter(|(_, (_, lock))| !lock.is_spendable(tip))
        .map(|(txid, (_, lock))| early(txid, *lock, tip))
        .collect();
    if early.is_empty() {
        return Ok(());
    }
    let what = format!("not spendable yet:\n  {}", early.join("\n  "));
    Err(CliError::failed(what).hint("nothing was signed; leave these out, or come back then"))
}

fn early(txid: &Txid, lock: Timelock, tip: u32) -> String {
    format!(
        "{txid}: in block {} at the earliest, so from height {} on; now {tip}, {} block(s) to go",
        lock.first_block(),
        lock.spendable_at(),
        lock.blocks_left(tip)
    )
}

impl WithdrawArgs {
    async fn sign(&self, chain: &Chain, withdrawal: Withdrawal) -> Result<Transaction, CliError> {
        let signatures = if let Some(file) = &self.signer.key_file {
            let key = StakerKey::read(file, Some(chain.network()))?;
            let sign = |(staker, hash)| {
                if staker == key.x_only() {
                    return Ok(key.sign(hash));
                }
                let what = format!("the key is {}, a stake's is {staker}", key.x_only());
                Err(CliError::usage(what))
            };
            withdrawal.to_sign().into_iter().map(sign).collect::<Result<Vec<_>, _>>()?
        } else {
            let signed = match (&self.signer.wallet, &self.signer.signed_psbt) {
                (Some(name), _) => {
                    let psbt = withdrawal.psbt(&KeySource::default());
                    wallet::process(&chain.wallet(name)?, &psbt).await?
                }
                (None, Some(file)) => psbt::read(file)?,
                (None, None) => return Err(CliError::usage("who signs?")),
            };
            of_psbt(&withdrawal, &signed)?
        };
        withdrawal.finish(&signatures).map_err(|e| CliError::failed(format!("the withdrawal: {e}")))
    }
}

/// The signatures of a PSBT for exactly this withdrawal.
fn of_psbt(withdrawal: &Withdrawal, signed: &Psbt) -> Result<Vec<Signature>, CliError> {
    if signed.unsigned_tx != *withdrawal.transaction() {
        return Err(CliError::usage("the PSBT is for another withdrawal")
            .hint("give the same transactions in the same order, the same --to and --fee-rate"));
    }
    let signature = |(index, (staker, _)): (usize, (_, _))| {
        psbt::signature(signed, index, &staker).ok_or_else(|| {
            let what = format!("input {index} has no signature of the staker's key {staker}");
            CliError::failed(what).hint("only the wallet that has this key can sign it")
        })
    };
    withdrawal.to_sign().into_iter().enumerate().map(signature).collect()
}

fn text(done: &Done) -> String {
    let sats = Amount::from_sat;
    let mut lines = vec![
        ("txid", done.txid.clone()),
        ("outputs", format!("{} taken together", done.inputs)),
        ("to", format!("{}  {}", done.to, both(sats(done.value_sats)))),
        ("fee", both(sats(done.fee_sats))),
        ("sent", if done.broadcast { "yes" } else { "no" }.to_owned()),
    ];
    lines.extend(done.psbt.iter().map(|file| ("PSBT", file.display().to_string())));
    pairs(&lines)
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::hashes::Hash as _;

    use super::*;

    #[test]
    fn fee__should_be_told_where_it_takes_more_than_a_hundredth() {
        let sats = Amount::from_sat;
        assert_eq!(dear(sats(1_000), sats(100_000)), None);
        let told = dear(sats(95_025), sats(100_000)).expect("nearly all of it");
        assert!(told.contains("(95025 sats) is over 1 % of the"), "{told}");
    }

    #[test]
    fn early__should_say_the_height() {
        let lock = Timelock { height: 100, blocks: 10 };
        let told = early(&Txid::all_zeros(), lock, 105);
        assert!(
            told.ends_with(
                "in block 110 at the earliest, so from height 109 on; now 105, 4 block(s) to go"
            ),
            "{told}"
        );
    }
}
