//! A bitcoind on a regtest chain of its own.
//!
//! Works with Bitcoin Knots and with Bitcoin Core 28 or newer, also built without a wallet:
//! coins come from blocks mined to a script that anyone can spend (see [`chain`]).

mod binary;
pub mod chain;
mod options;
mod rpc;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Network};
use eyre::{Context as _, Result, bail};
use serde_json::{Value, json};

pub use binary::find as find_bitcoind;
pub use options::Options;
pub(crate) use options::write_private;
pub use rpc::{Client, RpcError};

use crate::{Folder, Port, Process, wait};

/// Longest wait for bitcoind to answer or to end: a loaded machine may need many seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// A running bitcoind. Dropping it kills the process and removes its folder.
#[derive(Debug)]
pub struct Bitcoind {
    // Dropped in this order: the folder goes when nothing writes into it any more.
    process: Process,
    client: Client,
    program: PathBuf,
    arguments: Vec<String>,
    rpc_port: Port,
    p2p_port: Option<Port>,
    wallet: OnceLock<String>,
    folder: Folder,
}

impl Bitcoind {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// When there is no bitcoind, or it ends or stays silent; the error quotes its log.
    pub async fn start(options: Options) -> Result<Self> {
        let program = binary::find()?;
        let folder = Folder::new("bitcoind")?;
        let rpc_port = Port::free()?;
        let p2p_port = if options.p2p { Some(Port::free()?) } else { None };
        let client = Client::new(rpc_port.number())?;
        let ports =
            options::Ports { rpc: rpc_port.number(), p2p: p2p_port.as_ref().map(Port::number) };
        let corepolicy = binary::knows_corepolicy(&program)?;
        let config = options.config(&ports, client.user(), client.password(), corepolicy);
        write_private(folder.path().join("bitcoin.conf"), &config)?;
        let arguments = options.arguments;
        let process = launch(&program, &folder, &arguments)?;
        let wallet = OnceLock::new();
        let mut bitcoind =
            Self { process, client, program, arguments, rpc_port, p2p_port, wallet, folder };
        bitcoind.wait_ready().await?;
        Ok(bitcoind)
    }

    /// Calls `method` with positional or named parameters (an array or an object).
    ///
    /// # Errors
    /// When bitcoind refuses or does not answer.
    pub async fn rpc(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        self.client.call(method, params).await
    }

    /// The client, for callers that outlive a borrow of this.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// `http://127.0.0.1:PORT`, the same across restarts.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        self.client.url()
    }

    /// The JSON-RPC user.
    #[must_use]
    pub fn user(&self) -> &str {
        self.client.user()
    }

    /// The JSON-RPC password, random for every start of a fresh folder.
    #[must_use]
    pub fn password(&self) -> &str {
        self.client.password()
    }

    /// Where other bitcoinds reach it, if [`Options::p2p`] was asked for.
    #[must_use]
    pub fn p2p_address(&self) -> Option<String> {
        self.p2p_port.as_ref().map(|port| format!("127.0.0.1:{}", port.number()))
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The command line with which a person talks to it, from any folder; with the wallet that
    /// [`make_wallet`](Self::make_wallet) made.
    #[must_use]
    pub fn cli(&self) -> String {
        self.cli_of(self.wallet.get().map(String::as_str))
    }

    /// The same with one of its wallets.
    #[must_use]
    pub fn cli_of(&self, wallet: Option<&str>) -> String {
        let beside = self.program.with_file_name("bitcoin-cli");
        let beside = std::path::absolute(&beside).unwrap_or(beside);
        let cli = if beside.exists() { beside } else { PathBuf::from("bitcoin-cli") };
        let folder = format!("-datadir={}", self.folder.path().display());
        let wallet = wallet.map(|name| format!("-rpcwallet={name}"));
        let words = [cli.display().to_string(), folder].into_iter().chain(wallet);
        words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
    }

    /// Makes a wallet with so many satoshis, confirmed, that [`cli`](Self::cli) names from then on.
    ///
    /// # Errors
    /// When this bitcoind was built without wallets, or runs without.
    pub async fn make_wallet(&self, name: &str, sats: u64) -> Result<()> {
        self.rpc("createwallet", json!([name])).await?;
        // It is the only one that is loaded, so bitcoind knows which is meant.
        let address = self.rpc("getnewaddress", json!([])).await?;
        let address: Address<NetworkUnchecked> =
            address.as_str().unwrap_or_default().parse().wrap_err("the wallet's address")?;
        self.fund(&address.require_network(Network::Regtest)?, sats).await?;
        self.mine(1).await?;
        // It was made once: another would have been refused.
        let _ = self.wallet.set(name.to_owned());
        Ok(())
    }

    /// Connects to `other` and waits until both have each other's blocks.
    ///
    /// # Errors
    /// When `other` does not listen or their tips stay apart.
    pub async fn connect(&self, other: &Self) -> Result<()> {
        let Some(address) = other.p2p_address() else {
            bail!("the other bitcoind does not listen; start it with Options::p2p")
        };
        self.rpc("addnode", json!([address, "onetry"])).await?;
        wait::until("two bitcoinds to share a tip", LIMIT, async || {
            let here = self.rpc("getbestblockhash", json!([])).await?;
            Ok((here == other.rpc("getbestblockhash", json!([])).await?).then_some(()))
        })
        .await
    }

    /// Writes everything to disk, so that a [`kill`](Self::kill) loses nothing.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub async fn flush(&self) -> Result<()> {
        // The one call without a wallet or pruning that has bitcoind flush its chain state.
        self.rpc("gettxoutsetinfo", json!(["none"])).await?;
        Ok(())
    }

    /// Stops it in good order; the folder and the ports stay.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop(LIMIT).await?;
        Ok(())
    }

    /// Ends it at once (SIGKILL). What bitcoind had not yet written is lost: without a
    /// [`flush`](Self::flush) it may come back with a shorter chain, as in a power cut.
    ///
    /// # Errors
    /// When the system cannot say whether it ended.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        Ok(())
    }

    /// Starts it again on the same folder and ports (stopping it first where it runs) and
    /// waits until it answers.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.process = launch(&self.program, &self.folder, &self.arguments)?;
        self.wait_ready().await
    }

    /// As [`restart`](Self::restart) with these command line arguments in place of those before.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn restart_with(&mut self, arguments: &[&str]) -> Result<()> {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.restart().await
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let Self { process, client, .. } = self;
        wait::until("bitcoind to answer", LIMIT, async || {
            process.check_running()?;
            match client.call("getblockchaininfo", json!([])).await {
                Ok(_) => Ok(Some(())),
                Err(error) if error.is_passing() => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
        .await
        .wrap_err_with(|| format!("bitcoind on port {}", self.rpc_port.number()))
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn launch(program: &PathBuf, folder: &Folder, arguments: &[String]) -> Result<Process> {
    // A lock left by a killed bitcoind is the kernel's to release; the file may stay.
    let log = folder.path().join("output.log");
    let mut command = Command::new(program);
    command.arg(format!("-datadir={}", folder.path().display())).args(arguments);
    fs::metadata(program).wrap_err_with(|| format!("{} is gone", program.display()))?;
    Process::start("bitcoind", command, &log)
}
