//! Covenant keys in an offline wallet: a bitcoind of its own that talks to nobody, and in it an
//! encrypted descriptor wallet that its operator unlocks. It signs what it is asked to by
//! `walletprocesspsbt`.
//!
//! Always holds: a signature is verified before it is handed on; the wallet's bitcoind is on the
//! node's chain, by its genesis block (it has no other); many orders go in one HTTP request; asking
//! again for the same order is harmless.

mod answer;
mod error;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitcoin::secp256k1::schnorr::Signature;
use futures::future::{BoxFuture, FutureExt as _};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use trestle_actors::ports::{ChainError, SignError, SignUnbonding, SigningOrder};

use crate::{
    Bitcoind,
    config::{Config, ConfigError},
    rpc::{Reply, Request, RpcError},
};

pub use error::WalletError;

const METHOD: &str = "walletprocesspsbt";
/// Orders in one HTTP request. An answer is about 2 kB; this many take a wallet well under a second,
/// and leave the others' answers in place if the connection is lost.
const BATCH: usize = 100;
/// An answer is the PSBT that was sent and one signature; with the largest committee 80 kB.
const MAX_ANSWER: usize = 16 << 20;

/// A wallet that signs. Clones share its connections.
#[derive(Clone)]
pub struct OfflineWallet {
    client: Bitcoind,
    name: String,
}

impl fmt::Debug for OfflineWallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfflineWallet").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What `getwalletinfo` says about signing.
#[derive(Deserialize)]
struct WalletInfo {
    private_keys_enabled: bool,
    /// Absent in a wallet without passphrase; 0 while it is locked.
    unlocked_until: Option<u64>,
}

impl OfflineWallet {
    /// The wallet of this name in the bitcoind of this config; nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] if the URL cannot be used.
    pub fn new(config: &Config, name: &str) -> Result<Self, ConfigError> {
        let mut url: Url = config.url.parse().map_err(|_| ConfigError::Url)?;
        // The name may hold anything, also a slash: it is one part of the path, escaped.
        url.path_segments_mut()
            .map_err(|()| ConfigError::Url)?
            .pop_if_empty()
            .extend(["wallet", name]);
        let client = Bitcoind::new(&Config { url: url.into(), ..config.clone() })?;
        Ok(Self { client, name: name.to_owned() })
    }

    /// The wallet's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is there, on the right chain, and ready to sign. Whether it holds a key shows
    /// only when it is asked to sign.
    ///
    /// # Errors
    /// [`WalletError`].
    pub async fn check(&self) -> Result<(), WalletError> {
        const INFO: &str = "getwalletinfo";
        let parse = |reply: Reply<'_>| Ok(answer::result::<WalletInfo>(INFO, &self.name, reply));
        let info = self.client.read_one(Request::bare(INFO), MAX_ANSWER, parse).await??;
        if !info.private_keys_enabled {
            return Err(WalletError::WatchOnly(self.name.clone()));
        }
        match info.unlocked_until {
            Some(0) => Err(WalletError::Locked),
            Some(_) | None => Ok(()),
        }
    }

    /// The verified signatures for these orders, in their order; as many answers as orders.
    pub async fn signatures(&self, orders: &[SigningOrder]) -> Vec<Result<Signature, WalletError>> {
        let mut signatures = Vec::with_capacity(orders.len());
        for some in orders.chunks(BATCH) {
            match self.batch(some).await {
                Ok(answers) => signatures.extend(answers),
                Err(error) => {
                    signatures.extend(some.iter().map(|_| Err(WalletError::from(error.clone()))));
                }
            }
        }
        signatures
    }

    async fn batch(
        &self,
        orders: &[SigningOrder],
    ) -> Result<Vec<Result<Signature, WalletError>>, ChainError> {
        let requests: Vec<Request> = orders.iter().map(request).collect();
        let parse = |replies: Vec<Reply<'_>>| {
            let pairs = orders.iter().zip(replies);
            Ok(pairs.map(|(order, reply)| answer::signature(order, &self.name, reply)).collect())
        };
        self.client.read_batch_within(&requests, MAX_ANSWER, parse).await
    }

    /// Calls any method of the wallet once: for tools and tests.
    ///
    /// # Errors
    /// As [`RpcError`].
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        self.client.call(method, params).await
    }
}

impl SignUnbonding for OfflineWallet {
    fn sign(&self, order: SigningOrder) -> BoxFuture<'_, Result<Signature, SignError>> {
        async move {
            let mut answers = self.signatures(&[order]).await;
            let answer = answers.pop().expect("as many answers as orders");
            answer.map_err(Into::into)
        }
        .boxed()
    }

    fn sign_many(
        &self,
        orders: Vec<SigningOrder>,
    ) -> BoxFuture<'_, Vec<Result<Signature, SignError>>> {
        async move {
            let answers = self.signatures(&orders).await;
            answers.into_iter().map(|answer| answer.map_err(Into::into)).collect()
        }
        .boxed()
    }
}

/// Signs; adds no derivation paths; does not finish an input for which it happens to hold all keys,
/// since that takes the signatures out of their place.
fn request(order: &SigningOrder) -> Request {
    const SIGN: bool = true;
    const PATHS: bool = false;
    const FINISH: bool = false;
    let psbt = STANDARD.encode(order.psbt().serialize());
    Request::new(METHOD, json!([psbt, SIGN, "DEFAULT", PATHS, FINISH]))
}
