//! The client: tries, and the check that comes before every answer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use bitcoin::{BlockHash, FeeRate, Network, constants::genesis_block};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trestle_actors::ports::ChainError;

use crate::{
    config::{Config, ConfigError},
    rpc::{Connection, Reply, Request, RpcError, parse_batch, parse_single, read},
};

/// Answers other than blocks: 2,000 headers are 0.6 MB; 1,000 coins with the longest scripts 20.
const MAX_ANSWER: usize = 32 << 20;
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(1);

/// A client of one bitcoind. Clones share its connections.
#[derive(Clone)]
pub struct Bitcoind {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    network: Network,
    genesis: BlockHash,
    retries: u32,
    fallback_fee: FeeRate,
    /// Whether the genesis block has been compared since bitcoind was last out of sight.
    verified: AtomicBool,
}

impl fmt::Debug for Bitcoind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bitcoind").field("network", &self.inner.network).finish_non_exhaustive()
    }
}

impl Bitcoind {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] if the URL cannot be used.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let inner = Inner {
            connection: Connection::new(config)?,
            network: config.network,
            genesis: genesis_block(config.network).block_hash(),
            retries: config.retries,
            fallback_fee: config.fallback_fee,
            verified: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Calls any method once, without looking at the chain first: for tools and tests.
    ///
    /// # Errors
    /// As [`RpcError`].
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, RpcError> {
        let body = self.inner.connection.single(method, &params, MAX_ANSWER).await?;
        read(method, parse_single(method, &body)?)
    }

    /// The chain that bitcoind must be on.
    pub fn network(&self) -> Network {
        self.inner.network
    }

    pub(crate) fn fallback_fee(&self) -> FeeRate {
        self.inner.fallback_fee
    }

    pub(crate) fn set_verified(&self, verified: bool) {
        self.inner.verified.store(verified, Ordering::Release);
    }

    /// One read, tried again while bitcoind is away for a moment. The reply goes through `parse`.
    pub(crate) async fn read_one<T>(
        &self,
        request: Request,
        limit: usize,
        parse: impl Fn(Reply<'_>) -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        let attempt = || async {
            self.verify().await?;
            let body = self.inner.connection.single(request.method, &request.params, limit).await?;
            Ok(parse(parse_single(request.method, &body)?)?)
        };
        self.retry(attempt).await
    }

    /// A batch of reads in one HTTP request, tried again while bitcoind is away for a moment.
    pub(crate) async fn read_batch<T>(
        &self,
        requests: &[Request],
        parse: impl Fn(Vec<Reply<'_>>) -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        self.read_batch_within(requests, MAX_ANSWER, parse).await
    }

    /// As [`Self::read_batch`], with an answer of at most `limit` bytes.
    pub(crate) async fn read_batch_within<T>(
        &self,
        requests: &[Request],
        limit: usize,
        parse: impl Fn(Vec<Reply<'_>>) -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        let attempt = || async {
            self.verify().await?;
            let body = self.inner.connection.batch(requests, limit).await?;
            Ok(parse(parse_batch(requests, &body)?)?)
        };
        self.retry(attempt).await
    }

    /// A call that must not be repeated blindly; only the look at the chain before it is.
    pub(crate) async fn write<T>(
        &self,
        request: Request,
        parse: impl Fn(Reply<'_>) -> Result<T, ChainError>,
    ) -> Result<T, ChainError> {
        self.retry(|| self.verify()).await?;
        let sent = self.inner.connection.single(request.method, &request.params, MAX_ANSWER).await;
        let body = sent.inspect_err(|error| self.note(error))?;
        let reply = parse_single(request.method, &body).inspect_err(|error| self.note(error))?;
        parse(reply)
    }

    async fn retry<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let noted = || async { attempt().await.inspect_err(|failure| self.note_failure(failure)) };
        noted.retry(self.delays()).when(Failure::is_transient).await.map_err(Into::into)
    }

    fn note_failure(&self, failure: &Failure) {
        if let Failure::Rpc(error) = failure {
            self.note(error);
        }
    }

    fn delays(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(FIRST_DELAY)
            .with_max_delay(LONGEST_DELAY)
            .with_max_times(self.inner.retries as usize)
            .with_jitter()
    }

    /// Compares the genesis block, unless that was done since bitcoind was last out of sight.
    async fn verify(&self) -> Result<(), Failure> {
        if self.inner.verified.load(Ordering::Acquire) {
            return Ok(());
        }
        let got: BlockHash = self.call("getblockhash", json!([0])).await?;
        self.compare_genesis(got)?;
        Ok(())
    }

    /// Compares the genesis block and remembers the outcome.
    pub(crate) fn compare_genesis(&self, got: BlockHash) -> Result<(), ChainError> {
        let same = got == self.inner.genesis;
        self.set_verified(same);
        if same {
            return Ok(());
        }
        Err(wrong_chain(self.inner.network, self.inner.genesis, got))
    }

    pub(crate) fn note(&self, error: &RpcError) {
        if error.lost_sight() {
            self.set_verified(false);
        }
    }
}

fn wrong_chain(network: Network, expected: BlockHash, got: BlockHash) -> ChainError {
    let known = [Network::Bitcoin, Network::Testnet4, Network::Signet, Network::Regtest];
    let name = known.iter().find(|other| genesis_block(**other).block_hash() == got);
    ChainError::WrongChain {
        expected: format!("{network} (genesis {expected})"),
        got: match name {
            Some(name) => format!("{name} (genesis {got})"),
            None => format!("genesis {got}"),
        },
    }
}

/// A failed try: of the call, or of the check before it.
enum Failure {
    Rpc(RpcError),
    Chain(ChainError),
}

impl Failure {
    fn is_transient(&self) -> bool {
        match self {
            Self::Rpc(error) => error.is_transient(),
            Self::Chain(_) => false,
        }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl From<Failure> for ChainError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rpc(error) => error.into(),
            Failure::Chain(error) => error,
        }
    }
}
