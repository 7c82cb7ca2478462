//! Talks to a running node over its two listeners.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use super::{CliError, Exit};
use crate::{
    api::{error::ErrorBody, token::Token},
    config::Config,
    process::{Endpoints, endpoints_file},
};

/// Longer than the node's own limit, so that its answer is heard.
const TIMEOUT: Duration = Duration::from_secs(250);
const CONNECT: Duration = Duration::from_secs(5);
/// Largest answer read: 200 payments with their transactions.
const MAX_ANSWER: usize = 64 << 20;

/// Which running node.
#[derive(Clone, Debug, Args)]
pub(super) struct NodeArgs {
    /// The node's folder, where `node init` put its config, or its data folder.
    #[arg(long, value_name = "DIR", env = "TRESTLE_NODE", conflicts_with = "config")]
    node: Option<PathBuf>,
    /// The node's config.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A client of one node.
pub(super) struct Client {
    http: reqwest::Client,
    endpoints: Endpoints,
}

impl NodeArgs {
    /// Whether a node was named at all.
    pub(super) const fn is_given(&self) -> bool {
        self.node.is_some() || self.config.is_some()
    }

    /// The node's config, where it was named or is in the named folder.
    pub(super) fn config_file(&self) -> Option<PathBuf> {
        let beside = || self.node.as_ref().map(|dir| dir.join("node.toml"));
        self.config.clone().or_else(|| beside().filter(|file| file.is_file()))
    }

    /// Finds the node.
    pub(super) fn connect(&self) -> Result<Client, CliError> {
        let candidates = match (&self.config, &self.node) {
            (Some(file), _) => vec![Config::load(file)?.data_dir],
            (None, Some(dir)) => vec![dir.clone(), dir.join("data")],
            (None, None) => {
                return Err(CliError::usage("which node? Give --node DIR or --config FILE"));
            }
        };
        let endpoints = find(&candidates)?;
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            .no_proxy()
            .build()
            .map_err(|e| CliError::failed(format!("the HTTP client: {e}")))?;
        Ok(Client { http, endpoints })
    }
}

fn find(folders: &[PathBuf]) -> Result<Endpoints, CliError> {
    let read = |folder: &PathBuf| std::fs::read(endpoints_file(folder)).ok();
    let Some(bytes) = folders.iter().find_map(read) else {
        let tried: Vec<_> = folders.iter().map(|dir| endpoints_file(dir)).collect();
        let tried = tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let what = format!("no node runs there: there is no {}", tried.join(" and no "));
        return Err(CliError::new(Exit::Unreachable, what).hint("start it: `trestle run -c FILE`"));
    };
    serde_json::from_slice(&bytes)
        .map_err(|e| CliError::new(Exit::Unreachable, format!("endpoints.json: {e}")))
}

impl Client {
    /// Where the node is.
    pub(super) const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Reads from the public listener.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let (status, body) = self.get_any(path).await?;
        answer(status, &body)
    }

    /// The same for an answer that means something whatever its status is.
    pub(super) async fn get_any(&self, path: &str) -> Result<(StatusCode, Vec<u8>), CliError> {
        let url = format!("{}{path}", self.endpoints.api);
        self.send(self.http.request(Method::GET, url)).await
    }

    /// Asks the admin listener for something.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let token = Token::load(&self.endpoints.token_file)?;
        let url = format!("{}{path}", self.endpoints.admin);
        let request = self.http.post(url).bearer_auth(token.expose_secret()).json(body);
        let (status, body) = self.send(request).await?;
        answer(status, &body)
    }

    async fn send(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), CliError> {
        let lost = |e: reqwest::Error| {
            // Without the URL: the node is named by its folder.
            let e = e.without_url();
            let what = format!("the node (process {}) does not answer: {e}", self.endpoints.pid);
            CliError::new(Exit::Unreachable, what)
                .hint("if that process is gone, start the node again: `trestle run -c FILE`")
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

fn answer<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, CliError> {
    if status.is_success() {
        return serde_json::from_slice(body)
            .map_err(|e| CliError::failed(format!("the node's answer has another form: {e}")));
    }
    let exit = if status.is_client_error() { Exit::Refused } else { Exit::Failed };
    let body = serde_json::from_slice(body).unwrap_or_else(|_| ErrorBody {
        code: exit.word().to_owned(),
        message: format!("the node answered {status}"),
        hint: None,
    });
    Err(CliError { exit, body })
}

/// A committee's name, as it may stand in a path.
pub(super) fn committee_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > 32 || !text.chars().all(plain) {
        return Err("a committee's name is 1 to 32 of a-z, 0-9 and '-'".into());
    }
    Ok(text.to_owned())
}

/// The content of a file, up to a size.
pub(super) fn read_file(path: &Path, max: usize) -> Result<Vec<u8>, CliError> {
    let failed = |e: std::io::Error| CliError::failed(format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    // Not by its size: a device has none.
    let most = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)
        .map_err(failed)?
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > max {
        let what = format!("{}: more than {max} bytes, the most that is read", path.display());
        return Err(CliError::usage(what));
    }
    Ok(bytes)
}
