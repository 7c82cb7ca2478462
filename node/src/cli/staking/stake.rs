//! `trestle staking stake`: locks bitcoins under the parameters of the next block.

use std::path::PathBuf;

use bitcoin::{
    Address, Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxOut, XOnlyPublicKey,
    address::NetworkUnchecked, consensus::encode::serialize_hex,
};
use clap::Args;
use serde::Serialize;
use serde_json::json;
use trestle_staking::{
    Stake, VersionParams,
    identify::{Identified, identify},
    tx::{Funding, StakePlan},
};

use super::{
    amount::{Rate, amount, both, key, outpoint},
    api::ApiArgs,
    chain::{Chain, ChainArgs},
    coins::{Coin, choose},
    confirm::ConfirmArgs,
    follow::{FollowArgs, Sent},
    ground::Ground,
    key::StakerKey,
    local::{self, Addresses},
    psbt,
    rules::{self, RulesArgs},
    wallet,
    warnings::{Kind, Warning},
};
use crate::cli::{CliError, output::Output, table::pairs};

/// What is staked, and who pays and signs.
#[derive(Debug, Args)]
pub(in crate::cli) struct StakeArgs {
    /// The finality provider's public key (`trestle staking finality-providers` lists them).
    #[arg(long, value_name = "KEY", value_parser = key)]
    provider: XOnlyPublicKey,
    /// How much is locked, with its unit: "0.05 BTC" or "5000000 sats".
    #[arg(long, value_parser = amount)]
    amount: Amount,
    /// For how many blocks.
    #[arg(long, value_name = "BLOCKS")]
    time: u16,
    /// The public key that gets the stake back. Without it: the key of --key-file, or a new one of
    /// --wallet.
    #[arg(long, value_name = "KEY", value_parser = key)]
    staker: Option<XOnlyPublicKey>,
    #[command(flatten)]
    payer: PayerArgs,
    /// A coin to pay with, TXID:INDEX, and no other; repeat it for more.
    #[arg(long, value_name = "COIN", value_parser = outpoint)]
    coin: Vec<OutPoint>,
    /// Where change goes; without it to the P2TR address of --key-file, to a new address of the
    /// wallet, or back to where the coins are.
    #[arg(long, value_name = "ADDRESS")]
    change: Option<Address<NetworkUnchecked>>,
    /// In sat/vB; without it bitcoind is asked.
    #[arg(long, value_name = "SAT/VB", value_parser = Rate::parse)]
    fee_rate: Option<Rate>,
    /// Lets the transaction be replaced by one with a higher fee. The replacement is another stake,
    /// under another id.
    #[arg(long)]
    replaceable: bool,
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

/// Who pays and signs.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct PayerArgs {
    /// A file with a private key (hexadecimal or WIF), mode 0600; - is stdin. The coins of its
    /// P2WPKH and P2TR addresses pay.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["wallet", "psbt_out", "from"])]
    key_file: Option<PathBuf>,
    /// A wallet of bitcoind. With --psbt-out it only chooses the coins.
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    wallet: Option<String>,
    /// Writes a PSBT for any wallet, and signs and sends nothing. Without --wallet give --from or
    /// --coin, and --staker.
    #[arg(long, value_name = "FILE")]
    psbt_out: Option<PathBuf>,
    /// The address (P2WPKH or P2TR) whose coins pay.
    #[arg(long, value_name = "ADDRESS", requires = "psbt_out")]
    from: Option<Address<NetworkUnchecked>>,
}

#[derive(Serialize)]
struct Done {
    /// Null where it is known only once the transaction is signed.
    txid: Option<String>,
    output_index: u32,
    staker: String,
    finality_provider: String,
    value_sats: u64,
    blocks: u16,
    fee_sats: u64,
    params_version: u64,
    for_height: u32,
    warnings: Vec<Warning>,
    broadcast: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tx_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    psbt: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

/// A stake that is paid for, and not signed.
struct Draft {
    psbt: Psbt,
    fee: u64,
    /// In the order of the inputs, where they are known.
    coins: Vec<Coin>,
}

pub(super) async fn run(output: &Output, args: StakeArgs) -> Result<(), CliError> {
    let rules = args.rules.load(&args.api.node)?;
    let all = &rules.all;
    let api = args.api.maybe()?;
    if args.follow.wanted() && api.is_none() {
        return Err(CliError::usage("--follow needs a coordinator: give --api URL"));
    }
    let chain = args.chain.connect(args.api.config_file()).await?;
    rules.fit(chain.network())?;
    let next = chain.height().await?.saturating_add(1);
    let params = rules::at(all, next)?;
    let file = args.payer.key_file.as_deref();
    let key = file.map(|file| StakerKey::read(file, Some(chain.network()))).transpose()?;
    let staker = args.staker(&chain, key.as_ref()).await?;
    let provider = args.provider;
    let plan =
        StakePlan { staker, finality_provider: provider, value: args.amount, time: args.time };
    let rate = chain.rate(args.fee_rate).await?;
    let api = api.as_ref();
    let ground = Ground { chain: &chain, api, all, next, params, plan, rate };
    let differs = ground.compared().await?;
    // Before any coin is looked for: what the rules refuse needs none.
    ground.plan.outputs(params).map_err(refused)?;
    let draft = args.draft(&ground, key.as_ref()).await?;
    let stake = check(&draft.psbt.unsigned_tx, &ground)?;
    let fee = Amount::from_sat(draft.fee);
    let keeps_id = psbt::keeps_id(&draft.psbt);
    let mut found = ground.warnings(fee).await?;
    found.extend(differs);
    found.extend(args.warnings(&ground, key.as_ref(), keeps_id).await?);
    for warning in &found {
        let kind = if warning.overflow { "OVERFLOW" } else { "warning" };
        output.note(&format!("{kind}: {}", warning.text));
    }
    let mut done = done(&stake, &draft, next, found);
    if let Some(file) = &args.payer.psbt_out {
        psbt::write(file, &draft.psbt)?;
        done.psbt = Some(file.clone());
        done.txid = done.txid.filter(|_| keeps_id);
        return output.result(&done, text);
    }
    output.note(&summary(&done, params));
    args.confirm.ask(output, "Sign and send it?", file.is_some_and(|file| file == "-"))?;
    let signed = args.sign(&chain, draft, key.as_ref()).await?;
    // Its id is another now where a coin is spent through a signature script.
    let stake = check(&signed, &ground)?;
    ground.is_still_so(&signed, fee, &done.warnings).await?;
    chain.broadcast(&signed).await?;
    done.txid = Some(stake.outpoint.txid.to_string());
    done.broadcast = true;
    done.tx_hex = Some(serialize_hex(&signed));
    if let (true, Some(api)) = (args.follow.wanted(), api) {
        output.note(&format!("sent: {}", stake.outpoint.txid));
        let until = ["active", "unbonding", "unbonded", "withdrawn", "slashed", "spent_otherwise"];
        let at = stake.outpoint;
        let sent = Sent::new(&chain, &signed, next.saturating_sub(1));
        let last = args.follow.delegation(output, api, Some(sent), at, &until).await?;
        done.state = Some(last.state);
    }
    output.result(&done, text)
}

impl StakeArgs {
    async fn staker(
        &self,
        chain: &Chain,
        key: Option<&StakerKey>,
    ) -> Result<XOnlyPublicKey, CliError> {
        match (self.staker, key, &self.payer.wallet) {
            (Some(staker), _, _) => Ok(staker),
            (None, Some(key), _) => Ok(key.x_only()),
            (None, None, Some(name)) => wallet::new_key(&chain.wallet(name)?).await,
            (None, None, None) => {
                Err(CliError::usage("who gets the stake back? Give --staker KEY")
                    .hint("the public key of the wallet that will sign the withdrawal"))
            }
        }
    }

    /// What is to know about how it was asked for.
    async fn warnings(
        &self,
        ground: &Ground<'_>,
        key: Option<&StakerKey>,
        keeps_id: bool,
    ) -> Result<Vec<Warning>, CliError> {
        let mut found = Vec::new();
        if ground.api.is_none() && self.api.node.is_given() {
            let text = "the node does not run, so nothing says whether the network has these \
                        parameters still: start it, or give --api URL";
            found.push(Warning::new(Kind::Parameters, text.into()));
        }
        let staker = ground.plan.staker;
        if let Some(key) = key.filter(|key| key.x_only() != staker) {
            let text = format!(
                "the stake belongs to {staker}, and the key of --key-file is {}: only who has the \
                 former can unbond and withdraw it",
                key.x_only()
            );
            found.push(Warning::new(Kind::Owner, text));
        }
        if let (Some(name), Some(_)) = (&self.payer.wallet, self.staker)
            && !wallet::has_key(&ground.chain.wallet(name)?, &staker).await?
        {
            let text = format!(
                "the stake belongs to {staker}, which wallet {name} does not know as a Taproot key of \
                 its own: only who has it can unbond and withdraw the stake"
            );
            found.push(Warning::new(Kind::Owner, text));
        }
        if self.payer.psbt_out.is_some() && !keeps_id {
            let text = "an input is not native segwit: the stake's id is known once it is signed";
            found.push(Warning::new(Kind::Id, text.into()));
        }
        Ok(found)
    }

    /// The transaction with its coins, from whoever pays.
    async fn draft(&self, ground: &Ground<'_>, key: Option<&StakerKey>) -> Result<Draft, CliError> {
        if let Some(name) = &self.payer.wallet {
            return self.with_wallet(ground, &ground.chain.wallet(name)?).await;
        }
        let network = ground.chain.network();
        let own = key.map(|key| Addresses::of(key, network));
        let from = self.payer.from.clone().map(|from| self.checked(from, network)).transpose()?;
        let coins = match (self.coin.is_empty(), &own, &from) {
            (false, _, _) => named(ground.chain, &self.coin).await?,
            (true, Some(own), _) => own.coins(ground.chain).await?,
            (true, None, Some(from)) => ground.chain.scan(&[format!("addr({from})")]).await?,
            (true, None, None) => {
                return Err(CliError::usage("whose coins pay? Give --from ADDRESS or --coin COIN"));
            }
        };
        if let Some(own) = &own {
            own.check(&coins)?;
        }
        let change = match (&self.change, own, from, coins.first()) {
            (Some(change), ..) => self.checked(change.clone(), network)?.script_pubkey(),
            (None, Some(own), ..) => own.p2tr.script_pubkey(),
            (None, None, Some(from), _) => from.script_pubkey(),
            (None, None, None, Some((_, output))) => output.script_pubkey.clone(),
            (None, None, None, None) => ScriptBuf::new(),
        };
        self.with_coins(ground, coins, &change)
    }

    fn with_coins(
        &self,
        ground: &Ground<'_>,
        coins: Vec<Coin>,
        change: &ScriptBuf,
    ) -> Result<Draft, CliError> {
        let outputs = ground.plan.outputs(ground.params).map_err(refused)?;
        let all = !self.coin.is_empty();
        let choice = choose(coins, all, &outputs, change, ground.rate.rate())
            .map_err(|e| CliError::failed(e.to_string()))?;
        let back = choice.change.into_iter().collect();
        let mut funding = Funding::new(choice.coins.clone(), back, ground.params);
        if self.replaceable {
            funding.sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;
        }
        let psbt = ground.plan.psbt(ground.params, &funding).map_err(refused)?;
        Ok(Draft { psbt, fee: choice.fee.to_sat(), coins: choice.coins })
    }

    async fn with_wallet(&self, ground: &Ground<'_>, own: &Chain) -> Result<Draft, CliError> {
        let network = own.network();
        let [locked, data] = ground.plan.outputs(ground.params).map_err(refused)?;
        let address = Address::from_script(&locked.script_pubkey, network)
            .map_err(|e| CliError::failed(format!("the staking output has no address: {e}")))?;
        let value = locked.value.to_string_in(bitcoin::Denomination::Bitcoin);
        let change = self.change.clone().map(|change| self.checked(change, network)).transpose()?;
        // The payload without OP_RETURN and its push, which bitcoind puts before it.
        let payload = hex::encode(&data.script_pubkey.as_bytes()[2..]);
        let funding = wallet::Funding {
            outputs: vec![json!({ address.to_string(): value }), json!({ "data": payload })],
            coins: self.coin.clone(),
            change: change.map(|change| change.to_string()),
            lock_time: Funding::new(Vec::new(), Vec::new(), ground.params)
                .lock_time
                .to_consensus_u32(),
            rate: ground.rate,
            replaceable: self.replaceable,
        };
        let (psbt, fee) = wallet::fund(own, &funding).await?;
        Ok(Draft { psbt, fee, coins: Vec::new() })
    }

    async fn sign(
        &self,
        chain: &Chain,
        draft: Draft,
        key: Option<&StakerKey>,
    ) -> Result<Transaction, CliError> {
        match (key, &self.payer.wallet) {
            (Some(key), _) => {
                let mut transaction = draft.psbt.unsigned_tx;
                local::sign(&mut transaction, &draft.coins, key);
                Ok(transaction)
            }
            (None, Some(name)) => wallet::finish(&chain.wallet(name)?, &draft.psbt).await,
            (None, None) => {
                Err(CliError::usage("who signs? Give --key-file, --wallet or --psbt-out"))
            }
        }
    }

    fn checked(
        &self,
        address: Address<NetworkUnchecked>,
        network: bitcoin::Network,
    ) -> Result<Address, CliError> {
        let text = address.clone().assume_checked();
        address
            .require_network(network)
            .map_err(|_| CliError::usage(format!("{text} is not an address of {network}")))
    }
}

/// The coins of outpoints, which must be there.
async fn named(chain: &Chain, places: &[OutPoint]) -> Result<Vec<Coin>, CliError> {
    let mut coins: Vec<(OutPoint, TxOut)> = Vec::with_capacity(places.len());
    for at in places {
        let coin = chain.unspent(*at, true).await?.ok_or_else(|| {
            CliError::failed(format!("coin {at} is spent, or bitcoind does not know it"))
        })?;
        if coin.coinbase && coin.confirmations < 100 {
            return Err(CliError::failed(format!("coin {at} was mined less than 100 blocks ago")));
        }
        coins.push((*at, coin.output()));
    }
    Ok(coins)
}

/// That the transaction is this stake under these parameters: whoever paid for it may have changed it.
fn check(transaction: &Transaction, ground: &Ground<'_>) -> Result<Stake, CliError> {
    let vout = ground.plan.outputs(ground.params).map_err(refused)?[0].clone();
    let index = transaction.output.iter().position(|output| *output == vout);
    let index = index.and_then(|index| u32::try_from(index).ok());
    let expected = index.map(|index| {
        let at = OutPoint::new(transaction.compute_txid(), index);
        ground.plan.stake(at, ground.params)
    });
    match (identify(transaction, ground.params), expected) {
        (Identified::Stake(stake), Some(expected)) if stake == expected => Ok(stake),
        (other, _) => Err(CliError::failed(format!(
            "the transaction is not the stake that was asked for: {other:?}"
        ))),
    }
}

fn refused(error: trestle_staking::tx::StakeError) -> CliError {
    CliError::failed(format!("the parameters do not allow this stake: {error}"))
        .hint("`trestle staking params show FILE --height H` shows what they allow")
}

fn done(stake: &Stake, draft: &Draft, next: u32, warnings: Vec<Warning>) -> Done {
    Done {
        txid: Some(stake.outpoint.txid.to_string()),
        output_index: stake.outpoint.vout,
        staker: stake.staker.to_string(),
        finality_provider: stake.finality_provider.to_string(),
        value_sats: stake.value.to_sat(),
        blocks: stake.time,
        fee_sats: draft.fee,
        params_version: stake.params_version,
        for_height: next,
        warnings,
        broadcast: false,
        tx_hex: None,
        psbt: None,
        state: None,
    }
}

fn summary(done: &Done, params: &VersionParams) -> String {
    format!(
        "stake     {} for {} blocks\nprovider  {}\nstaker    {}\nfee       {}\nunder version {} of \
         the parameters, for block {}; ending it early costs {} and takes {} blocks",
        both(Amount::from_sat(done.value_sats)),
        done.blocks,
        done.finality_provider,
        done.staker,
        both(Amount::from_sat(done.fee_sats)),
        done.params_version,
        done.for_height,
        both(params.unbonding_fee),
        params.unbonding_time
    )
}

fn text(done: &Done) -> String {
    let mut lines = vec![
        ("txid", done.txid.clone().unwrap_or_else(|| "known once it is signed".into())),
        (
            "stake",
            format!("{} for {} blocks", both(Amount::from_sat(done.value_sats)), done.blocks),
        ),
        ("staker", done.staker.clone()),
        ("finality provider", done.finality_provider.clone()),
        ("fee", both(Amount::from_sat(done.fee_sats))),
        ("sent", if done.broadcast { "yes" } else { "no" }.to_owned()),
    ];
    lines.extend(done.state.iter().map(|state| ("state", state.clone())));
    lines.extend(done.psbt.iter().map(|file| ("PSBT", file.display().to_string())));
    pairs(&lines)
}
