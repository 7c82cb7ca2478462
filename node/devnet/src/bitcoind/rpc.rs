//! A small JSON-RPC client for the harness's own bitcoind.
//!
//! It is no part of the node, which has a client of its own: tests that look at the chain
//! through this one do not trust the code they test.

use std::fmt;

use eyre::{Context as _, Result};
use rand::Rng as _;
use rand::distributions::Alphanumeric;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// "Client still warming up", of Bitcoin's `rpc/protocol.h`.
const IN_WARMUP: i64 = -28;

/// Why a call gave no result.
#[derive(Debug, Error)]
pub enum RpcError {
    /// bitcoind answered with an error of its own.
    #[error("bitcoind refused {method}: {message} (code {code})")]
    Refused {
        /// The method called.
        method: String,
        /// The number by Bitcoin's `rpc/protocol.h`.
        code: i64,
        /// What bitcoind said.
        message: String,
    },
    /// No answer that can be read.
    #[error("no answer from bitcoind to {method}: {source}")]
    Unanswered {
        /// The method called.
        method: String,
        /// What went wrong on the way.
        source: reqwest::Error,
    },
}

impl RpcError {
    /// Whether a bitcoind that is starting gives this.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Refused { code, .. } => *code == IN_WARMUP,
            Self::Unanswered { source, .. } => source.is_connect() || source.is_request(),
        }
    }

    /// bitcoind's number for its refusal, if it is one.
    #[must_use]
    pub const fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Unanswered { .. } => None,
        }
    }
}

/// Where one bitcoind answers, and with what password.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    password: String,
}

impl Client {
    pub(super) fn new(port: u16) -> Result<Self> {
        // A proxy of the environment knows nothing of this machine's ports.
        let http =
            reqwest::Client::builder().no_proxy().build().wrap_err("cannot make an HTTP client")?;
        let password =
            rand::thread_rng().sample_iter(Alphanumeric).take(32).map(char::from).collect();
        Ok(Self { http, url: format!("http://127.0.0.1:{port}"), password })
    }

    /// Calls `method` with positional or named parameters (an array or an object).
    ///
    /// # Errors
    /// When bitcoind refuses or does not answer.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let unanswered = |source| RpcError::Unanswered { method: method.to_owned(), source };
        let answer: Answer = self
            .http
            .post(&self.url)
            .basic_auth(self.user(), Some(&self.password))
            .json(&json!({"jsonrpc": "1.0", "id": 0, "method": method, "params": params}))
            .send()
            .await
            .map_err(unanswered)?
            .json()
            .await
            .map_err(unanswered)?;
        match answer.error {
            None => Ok(answer.result),
            Some(Refusal { code, message }) => {
                Err(RpcError::Refused { method: method.to_owned(), code, message })
            }
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    #[expect(clippy::unused_self, reason = "callers need not know that it is fixed")]
    pub(super) const fn user(&self) -> &'static str {
        "trestle"
    }

    pub(super) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Value,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    message: String,
}
