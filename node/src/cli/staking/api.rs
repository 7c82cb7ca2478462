//! The API of a coordinator, as a client of it.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use reqwest::{RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    api::staking::{
        DelegationViewDto,
        dto::{DelegationDto, Envelope, FaultDto, OverallStatsDto},
    },
    cli::{CliError, Exit, client::NodeArgs},
};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer read: a page of 5,000 finality providers has about 5 MB.
const MAX_ANSWER: usize = 16 << 20;

/// Which API, and which node of this machine.
#[derive(Clone, Debug, Args)]
pub(super) struct ApiArgs {
    /// The coordinator's API, for example http://127.0.0.1:7180; without it the node's.
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    #[command(flatten)]
    pub(super) node: NodeArgs,
}

/// A client of one coordinator.
pub(super) struct Api {
    http: reqwest::Client,
    base: String,
}

/// All stakes together, as far as every coordinator tells it.
#[derive(Deserialize)]
pub(super) struct Stats {
    #[serde(flatten)]
    pub(super) known: OverallStatsDto,
    /// The height that the coordinator's index has come to.
    #[serde(default)]
    pub(super) btc_height: Option<u32>,
}

impl ApiArgs {
    /// The API, which must be given.
    pub(super) fn connect(&self) -> Result<Api, CliError> {
        self.maybe()?.ok_or_else(|| {
            CliError::usage("which coordinator? Give --api URL, --node DIR or --config FILE")
        })
    }

    /// The API, where one is given.
    pub(super) fn maybe(&self) -> Result<Option<Api>, CliError> {
        let base = match &self.api {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => url.clone(),
            Some(_) => return Err(CliError::usage("--api: expected a URL, http://HOST:PORT")),
            None if self.node.is_given() => match self.node.connect() {
                Ok(client) => client.endpoints().api.clone(),
                // A config also says how bitcoind is reached, so its node need not run.
                Err(error) if error.exit == Exit::Unreachable => return Ok(None),
                Err(error) => return Err(error),
            },
            None => return Ok(None),
        };
        Api::new(base).map(Some)
    }

    pub(super) fn config_file(&self) -> Option<PathBuf> {
        self.node.config_file()
    }
}

impl Api {
    fn new(base: String) -> Result<Self, CliError> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build();
        let http = http.map_err(|e| CliError::failed(format!("the HTTP client: {e}")))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned() })
    }

    /// One answer.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Envelope<T>, CliError> {
        let request = self.http.get(format!("{}{path}", self.base)).query(query);
        let (status, body) = self.send(request).await?;
        if !status.is_success() {
            return Err(refused(status, &body));
        }
        serde_json::from_slice(&body)
            .map_err(|e| CliError::failed(format!("the API's answer has another form: {e}")))
    }

    /// The same where "not there" is an answer too.
    pub(super) async fn find<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, CliError> {
        match self.get(path, query).await {
            Ok(envelope) => Ok(Some(envelope.data)),
            Err(error) if error.body.code == "NOT_FOUND" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A question whose answer is yes, or why not.
    pub(super) async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<(), CliError> {
        let request = self.http.get(format!("{}{path}", self.base)).query(query);
        let (status, body) = self.send(request).await?;
        if status.is_success() { Ok(()) } else { Err(refused(status, &body)) }
    }

    /// A request whose answer is that it was taken.
    pub(super) async fn post(&self, path: &str, body: &impl Serialize) -> Result<(), CliError> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        let (status, body) = self.send(request).await?;
        if status.is_success() { Ok(()) } else { Err(refused(status, &body)) }
    }

    /// A stake by its transaction's id; none before it is confirmed.
    pub(super) async fn delegation(&self, txid: &str) -> Result<Option<DelegationDto>, CliError> {
        self.find("/v1/delegation", &[("staking_tx_hash_hex", txid)]).await
    }

    /// The same with how far a request to unbond it is, where the API tells that.
    pub(super) async fn view(&self, txid: &str) -> Result<Option<DelegationViewDto>, CliError> {
        self.find("/v1/delegation", &[("staking_tx_hash_hex", txid)]).await
    }

    pub(super) async fn stats(&self) -> Result<Stats, CliError> {
        Ok(self.get("/v1/stats", &[]).await?.data)
    }

    /// All pages of a list, up to a number of entries; and whether that was all.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<(Vec<T>, bool), CliError> {
        let mut all = Vec::new();
        let mut key = String::new();
        loop {
            let mut query = query.to_vec();
            if !key.is_empty() {
                query.push(("pagination_key", &key));
            }
            let page: Envelope<Vec<T>> = self.get(path, &query).await?;
            let empty = page.data.is_empty();
            all.extend(page.data);
            let next = page.pagination.map(|pagination| pagination.next_key).unwrap_or_default();
            if all.len() > limit || (all.len() == limit && !next.is_empty()) {
                all.truncate(limit);
                return Ok((all, false));
            }
            // A key that leads nowhere must not lead around for ever.
            if next.is_empty() || empty || next == key {
                return Ok((all, true));
            }
            key = next;
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), CliError> {
        let lost = |e: reqwest::Error| {
            let what = format!("the API at {} does not answer: {}", self.base, e.without_url());
            CliError::new(Exit::Unreachable, what)
        };
        let mut response = request.send().await.map_err(lost)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(CliError::failed(format!("an answer of more than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status(), body))
    }
}

/// What the API said, with its code as the error's.
fn refused(status: StatusCode, body: &[u8]) -> CliError {
    let exit = if status.is_client_error() { Exit::Refused } else { Exit::Failed };
    match serde_json::from_slice::<FaultDto>(body) {
        Ok(fault) => {
            // Anybody's text: nothing of it may steer a terminal.
            let plain = |letter: &char| !letter.is_control();
            let mut error =
                CliError::new(exit, fault.message.chars().filter(plain).collect::<String>());
            error.body.code = fault.error_code;
            error
        }
        Err(_) => CliError::new(exit, format!("the API answered {status}")).hint(
            "is this a coordinator with [staking] in its config? With the config of another node \
                 give --api URL, the address of a coordinator, as well",
        ),
    }
}

#[cfg(test)]
mod tests;
