//! The bitcoind that a command asks and broadcasts through.
//!
//! Always holds: its network is known before anything is built for it.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use bitcoin::{
    Amount, Block, BlockHash, Network, OutPoint, ScriptBuf, Transaction, TxOut, Txid,
    consensus::encode::deserialize_hex,
};
use clap::Args;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use trestle_actors::ports::{Broadcast as _, EstimateFee as _, ReadChain as _, chain::Accepted};
use trestle_bitcoind::{Auth, Bitcoind, Config as ClientConfig, RpcError, Secret};
use trestle_keys::taproot::bitcoin_network;

use super::amount::Rate;
use crate::{
    cli::{CliError, Exit, client::read_file},
    config::{BitcoinAuth, Config},
};

/// bitcoind's code for a transaction or block that it does not know.
const NOT_FOUND: i64 = -5;
/// A password in a file.
const MAX_SECRET: usize = 4_096;
/// bitcoind's code for a scan of the UTXO set while another one runs, and for other things.
const SCANNING: i64 = -8;
/// How long another scan is waited for, and how often bitcoind is asked.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(250);
/// Blocks within which a transaction without a given rate is to confirm.
const TARGET: u16 = 6;

/// How bitcoind is reached.
#[derive(Clone, Debug, Args)]
pub(super) struct ChainArgs {
    /// bitcoind's RPC address; without it the node's config says.
    #[arg(long, value_name = "URL")]
    bitcoin_rpc: Option<String>,
    /// bitcoind's cookie.
    #[arg(long, value_name = "FILE", requires = "bitcoin_rpc", conflicts_with = "bitcoin_user")]
    bitcoin_cookie: Option<PathBuf>,
    /// A user of rpcauth.
    #[arg(long, value_name = "USER", requires = "bitcoin_password_file")]
    bitcoin_user: Option<String>,
    /// The file whose first line is the user's password.
    #[arg(long, value_name = "FILE", requires = "bitcoin_rpc", requires = "bitcoin_user")]
    bitcoin_password_file: Option<PathBuf>,
    /// The network that bitcoind must be on; any if it is not given.
    #[arg(long, value_name = "NAME")]
    network: Option<trestle_wire::Network>,
}

/// One bitcoind.
pub(super) struct Chain {
    client: Bitcoind,
    config: ClientConfig,
}

/// An output that is not spent.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Unspent {
    #[serde(with = "bitcoin::amount::serde::as_btc")]
    pub(super) value: Amount,
    #[serde(rename = "scriptPubKey")]
    script: Script,
    pub(super) confirmations: u32,
    pub(super) coinbase: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Script {
    hex: ScriptBuf,
}

impl Unspent {
    pub(super) fn output(&self) -> TxOut {
        TxOut { value: self.value, script_pubkey: self.script.hex.clone() }
    }
}

/// A coin that a scan of the UTXO set found.
#[derive(Deserialize)]
struct Scanned {
    txid: Txid,
    vout: u32,
    #[serde(with = "bitcoin::amount::serde::as_btc")]
    amount: Amount,
    #[serde(rename = "scriptPubKey")]
    script: ScriptBuf,
    height: u32,
    coinbase: bool,
}

/// Blocks on top of a mined coin before it may be spent.
const MATURITY: u32 = 100;

impl ChainArgs {
    /// Whether a bitcoind is named here, not only in a node's config.
    pub(super) const fn is_given(&self) -> bool {
        self.bitcoin_rpc.is_some()
    }

    /// The bitcoind, once it has said on which chain it is.
    pub(super) async fn connect(&self, config: Option<PathBuf>) -> Result<Chain, CliError> {
        let (url, auth) = self.place(config)?;
        let wanted = self.network.map(bitcoin_network);
        let config = ClientConfig::new(url, auth, wanted.unwrap_or(Network::Regtest));
        let chain = Chain::new(config)?;
        let info: Value = chain.call("getblockchaininfo", json!([])).await?;
        let name = info["chain"].as_str().unwrap_or_default();
        let network = Network::from_core_arg(name)
            .map_err(|_| CliError::failed(format!("bitcoind is on a chain {name:?}")))?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != network) {
            let what = format!("bitcoind is on {network}, --network says {wanted}");
            return Err(CliError::usage(what));
        }
        if info["initialblockdownload"] == json!(true) && network != Network::Regtest {
            return Err(CliError::failed("bitcoind is still downloading the chain; wait for it"));
        }
        Chain::new(ClientConfig { network, ..chain.config })
    }

    fn place(&self, config: Option<PathBuf>) -> Result<(String, Auth), CliError> {
        let nothing = || {
            CliError::usage("which bitcoind? Give --bitcoin-rpc URL with --bitcoin-cookie FILE")
                .hint("or --config FILE of a node, whose bitcoind is used")
        };
        if let Some(url) = &self.bitcoin_rpc {
            let auth = match (&self.bitcoin_cookie, &self.bitcoin_user, &self.bitcoin_password_file)
            {
                (Some(cookie), _, _) => Auth::Cookie(cookie.clone()),
                (None, Some(user), Some(file)) => password(user, file)?,
                _ => return Err(nothing()),
            };
            return Ok((url.clone(), auth));
        }
        let config = Config::load(&config.ok_or_else(nothing)?)?;
        let bitcoin = config.bitcoin.ok_or_else(nothing)?;
        let auth = match &bitcoin.auth {
            BitcoinAuth::Cookie(cookie) => Auth::Cookie(cookie.clone()),
            BitcoinAuth::User { user, password_file } => password(user, password_file)?,
        };
        Ok((bitcoin.rpc, auth))
    }
}

fn password(user: &str, file: &std::path::Path) -> Result<Auth, CliError> {
    let bytes = zeroize::Zeroizing::new(read_file(file, MAX_SECRET)?);
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let text = std::str::from_utf8(line)
        .map_err(|_| CliError::failed(format!("{} is not text", file.display())))?;
    Ok(Auth::Password { user: user.to_owned(), password: Secret::new(text.trim_end()) })
}

impl Chain {
    fn new(config: ClientConfig) -> Result<Self, CliError> {
        let client = Bitcoind::new(&config).map_err(|e| CliError::usage(e.to_string()))?;
        Ok(Self { client, config })
    }

    /// The same bitcoind, for calls of one of its wallets.
    pub(super) fn wallet(&self, name: &str) -> Result<Self, CliError> {
        let mut url: reqwest::Url =
            self.config.url.parse().map_err(|_| {
                CliError::usage("bitcoind's URL must look like http://127.0.0.1:8332")
            })?;
        // The name may hold anything, also a slash: it is one part of the path, escaped.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["wallet", name]);
        }
        Self::new(ClientConfig { url: url.into(), ..self.config.clone() })
    }

    pub(super) const fn network(&self) -> Network {
        self.config.network
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, CliError> {
        self.client.call(method, params).await.map_err(told)
    }

    pub(super) async fn height(&self) -> Result<u32, CliError> {
        self.call("getblockcount", json!([])).await
    }

    /// The height of what has so many confirmations.
    pub(super) async fn height_of(&self, confirmations: u32) -> Result<u32, CliError> {
        if confirmations == 0 {
            return Err(CliError::failed("the transaction is in no block yet"));
        }
        Ok(self.height().await?.saturating_sub(confirmations - 1))
    }

    /// The rate that was given, or bitcoind's estimate.
    pub(super) async fn rate(&self, given: Option<Rate>) -> Result<Rate, CliError> {
        match given {
            Some(rate) => Ok(rate),
            None => self.client.fee_rate(TARGET).await.map(Rate::of).map_err(unreachable),
        }
    }

    /// What the mempool takes at the least.
    pub(super) async fn least_rate(&self) -> Result<Rate, CliError> {
        #[derive(Deserialize)]
        struct Mempool {
            #[serde(with = "bitcoin::amount::serde::as_btc")]
            mempoolminfee: Amount,
        }
        let mempool: Mempool = self.call("getmempoolinfo", json!([])).await?;
        Ok(Rate::per_kvb(mempool.mempoolminfee.to_sat()))
    }

    /// An output, unless it is spent or unknown.
    pub(super) async fn unspent(
        &self,
        at: OutPoint,
        with_mempool: bool,
    ) -> Result<Option<Unspent>, CliError> {
        self.call("gettxout", json!([at.txid, at.vout, with_mempool])).await
    }

    /// The coins of descriptors that may be spent in the next block, and that no transaction in the
    /// mempool spends: that one could be replaced by ours, whatever its sequence says.
    pub(super) async fn scan(
        &self,
        descriptors: &[String],
    ) -> Result<Vec<(OutPoint, TxOut)>, CliError> {
        #[derive(Deserialize)]
        struct Scan {
            height: u32,
            unspents: Vec<Scanned>,
        }
        let scan: Scan = self.scanned(descriptors).await?;
        let tip = scan.height;
        let ripe =
            |coin: &Scanned| !coin.coinbase || tip.saturating_sub(coin.height) >= MATURITY - 1;
        let coin = |coin: Scanned| {
            let output = TxOut { value: coin.amount, script_pubkey: coin.script };
            (OutPoint::new(coin.txid, coin.vout), output)
        };
        let coins: Vec<_> = scan.unspents.into_iter().filter(ripe).map(coin).collect();
        let free = self.free(&coins).await?;
        if free.is_empty() && !coins.is_empty() {
            let what = "every coin there is being spent by a transaction in the mempool";
            return Err(CliError::failed(what).hint("wait until it is confirmed, or add coins"));
        }
        Ok(free)
    }

    /// bitcoind does one scan at a time, whoever asked for it.
    async fn scanned<T: DeserializeOwned>(&self, descriptors: &[String]) -> Result<T, CliError> {
        let begun = Instant::now();
        loop {
            match self.client.call("scantxoutset", json!(["start", descriptors])).await {
                Err(error) if is_scanning(&error) => {
                    if begun.elapsed() > PATIENCE {
                        return Err(told(error).hint(
                            "bitcoind still looks for somebody else's coins: try again later, or \
                             name the coins with --coin",
                        ));
                    }
                    tokio::time::sleep(AGAIN).await;
                }
                done => return done.map_err(told),
            }
        }
    }

    /// Those that no transaction in the mempool spends.
    async fn free(&self, coins: &[(OutPoint, TxOut)]) -> Result<Vec<(OutPoint, TxOut)>, CliError> {
        let places: Vec<OutPoint> = coins.iter().map(|(at, _)| *at).collect();
        let spent = self.spenders(&places).await?;
        let free = coins.iter().zip(spent).filter(|(_, spender)| spender.is_none());
        Ok(free.map(|(coin, _)| coin.clone()).collect())
    }

    /// Who else in the mempool spends what a transaction spends.
    pub(super) async fn conflicts(&self, of: &Transaction) -> Result<BTreeSet<Txid>, CliError> {
        let txid = of.compute_txid();
        let coins: Vec<OutPoint> = of.input.iter().map(|input| input.previous_output).collect();
        let spenders = self.spenders(&coins).await?;
        Ok(spenders.into_iter().flatten().filter(|by| *by != txid).collect())
    }

    /// For each coin the transaction in the mempool that spends it.
    pub(super) async fn spenders(&self, coins: &[OutPoint]) -> Result<Vec<Option<Txid>>, CliError> {
        #[derive(Deserialize)]
        struct Spending {
            spendingtxid: Option<Txid>,
        }
        /// Asked for in one call.
        const PIECE: usize = 1_000;
        let mut spenders = Vec::with_capacity(coins.len());
        for piece in coins.chunks(PIECE) {
            let place = |at: &OutPoint| json!({ "txid": at.txid, "vout": at.vout });
            let places: Vec<Value> = piece.iter().map(place).collect();
            let told: Vec<Spending> = self.call("gettxspendingprevout", json!([places])).await?;
            if told.len() != piece.len() {
                let what = format!("bitcoind told of {} coins of {}", told.len(), piece.len());
                return Err(CliError::failed(what));
            }
            spenders.extend(told.into_iter().map(|told| told.spendingtxid));
        }
        Ok(spenders)
    }

    /// How many transactions of the mempool spend outputs of this one, or outputs of those.
    pub(super) async fn descendants(&self, txid: Txid) -> Result<u64, CliError> {
        #[derive(Deserialize)]
        struct Entry {
            descendantcount: u64,
        }
        match self.client.call::<Entry>("getmempoolentry", json!([txid])).await {
            // It counts itself.
            Ok(entry) => Ok(entry.descendantcount.saturating_sub(1)),
            Err(RpcError::Call { code: NOT_FOUND, .. }) => Ok(0),
            Err(error) => Err(told(error)),
        }
    }

    /// A transaction by its id, with the height of its block; not all bitcoinds find all.
    pub(super) async fn transaction(
        &self,
        txid: Txid,
        block: Option<BlockHash>,
    ) -> Result<Option<(Transaction, Option<u32>)>, CliError> {
        #[derive(Deserialize)]
        struct Raw {
            hex: String,
            blockhash: Option<BlockHash>,
        }
        let params = match block {
            Some(block) => json!([txid, true, block]),
            None => json!([txid, true]),
        };
        let raw: Raw = match self.client.call("getrawtransaction", params).await {
            Ok(raw) => raw,
            Err(RpcError::Call { code: NOT_FOUND, .. }) => return Ok(None),
            Err(error) => return Err(told(error)),
        };
        let transaction: Transaction = deserialize_hex(&raw.hex)
            .map_err(|e| CliError::failed(format!("bitcoind's answer about {txid}: {e}")))?;
        let Some(block) = raw.blockhash else { return Ok(Some((transaction, None))) };
        let header: Value = self.call("getblockheader", json!([block])).await?;
        let on_chain = header["confirmations"].as_i64().is_some_and(|count| count > 0);
        let height = header["height"].as_u64().and_then(|height| u32::try_from(height).ok());
        Ok(Some((transaction, height.filter(|_| on_chain))))
    }

    /// The block at a height of the best chain.
    pub(super) async fn block(&self, height: u32) -> Result<Block, CliError> {
        let hash = self.block_at(height).await?;
        self.client.block(hash).await.map_err(unreachable)
    }

    pub(super) async fn block_at(&self, height: u32) -> Result<BlockHash, CliError> {
        self.call("getblockhash", json!([height])).await
    }

    /// Hands a transaction to the mempool.
    pub(super) async fn broadcast(&self, transaction: &Transaction) -> Result<Txid, CliError> {
        match self.client.broadcast(transaction.clone()).await.map_err(unreachable)? {
            Accepted::Mempool | Accepted::Confirmed => Ok(transaction.compute_txid()),
            Accepted::Rejected(why) => {
                let what = format!("bitcoind refused the transaction: {why}");
                Err(CliError::new(Exit::Refused, what).hint("nothing was spent"))
            }
        }
    }
}

fn is_scanning(error: &RpcError) -> bool {
    matches!(error, RpcError::Call { code: SCANNING, message, .. } if message.contains("in progress"))
}

fn told(error: RpcError) -> CliError {
    let text = format!("bitcoind: {error}");
    match error {
        RpcError::Connection(_) | RpcError::Timeout(_) | RpcError::WarmUp(_) | RpcError::Busy => {
            CliError::new(Exit::Unreachable, text)
        }
        RpcError::Call { .. } | RpcError::Unauthorized | RpcError::Forbidden => {
            CliError::new(Exit::Refused, text)
        }
        RpcError::TooLarge { .. } | RpcError::Malformed { .. } => CliError::failed(text),
    }
}

fn unreachable(error: trestle_actors::ports::ChainError) -> CliError {
    CliError::new(Exit::Unreachable, error.to_string())
}

#[cfg(test)]
mod tests;
