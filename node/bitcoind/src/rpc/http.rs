//! The HTTP connection: kept alive, bounded, with credentials that can change.

use std::{
    error::Error,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    Client, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderValue},
    redirect::Policy,
};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use super::{
    Request, RpcError,
    message::{batch, malformed, single},
};
use crate::config::{Auth, Config, ConfigError, Secret};

/// bitcoind hangs up on idle connections after 30 seconds (`-rpcservertimeout`); to reuse one at
/// that moment would fail.
const IDLE: Duration = Duration::from_secs(20);
/// A cookie file holds about 80 bytes.
const MAX_COOKIE: u64 = 4_096;

type Credentials = (String, Secret);

/// A connection pool to one bitcoind.
pub(crate) struct Connection {
    http: Client,
    url: Url,
    auth: Auth,
    cookie: Mutex<Option<Credentials>>,
}

impl Connection {
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let url: Url = config.url.parse().map_err(|_| ConfigError::Url)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ConfigError::Credentials);
        }
        if url.scheme() != "http" || url.host().is_none() {
            return Err(ConfigError::Url);
        }
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(|e| ConfigError::Client(e.to_string()))?;
        Ok(Self { http, url, auth: config.auth.clone(), cookie: Mutex::new(None) })
    }

    /// Sends one call and returns the answer's bytes, at most `limit` of them.
    pub(crate) async fn single(
        &self,
        method: &str,
        params: &Value,
        limit: usize,
    ) -> Result<Vec<u8>, RpcError> {
        self.exchange(method, single(method, params), limit).await
    }

    /// Sends calls as one batch and returns the answer's bytes, at most `limit` of them.
    pub(crate) async fn batch(
        &self,
        requests: &[Request],
        limit: usize,
    ) -> Result<Vec<u8>, RpcError> {
        let name = requests.first().map_or("batch", |request| request.method);
        self.exchange(name, batch(requests), limit).await
    }

    async fn exchange(
        &self,
        method: &str,
        body: Vec<u8>,
        limit: usize,
    ) -> Result<Vec<u8>, RpcError> {
        let (user, password) = match &self.auth {
            Auth::Password { user, password } => (user.clone(), password.clone()),
            Auth::Cookie(path) => {
                let known = self.known_cookie();
                let (user, password) = match known {
                    Some(known) => known,
                    None => self.read_cookie(path).await?,
                };
                let sent = self.post(method, body.clone(), limit, &user, &password).await;
                if sent != Err(RpcError::Unauthorized) {
                    return sent;
                }
                // bitcoind has a new cookie since it started again.
                let fresh = self.read_cookie(path).await?;
                if (fresh.0.as_str(), fresh.1.expose()) == (user.as_str(), password.expose()) {
                    return sent;
                }
                fresh
            }
        };
        self.post(method, body, limit, &user, &password).await
    }

    async fn post(
        &self,
        method: &str,
        body: Vec<u8>,
        limit: usize,
        user: &str,
        password: &Secret,
    ) -> Result<Vec<u8>, RpcError> {
        let request = self
            .http
            .post(self.url.clone())
            .basic_auth(user, Some(password.expose()))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body);
        let mut response = request.send().await.map_err(|e| failed(method, e))?;
        let status = response.status();
        match status {
            StatusCode::UNAUTHORIZED => return Err(RpcError::Unauthorized),
            StatusCode::FORBIDDEN => return Err(RpcError::Forbidden),
            StatusCode::SERVICE_UNAVAILABLE => return Err(RpcError::Busy),
            _ => {}
        }
        let too_large = || RpcError::TooLarge { method: method.into(), limit };
        let announced = response.content_length().unwrap_or(0);
        let announced = usize::try_from(announced).map_err(|_| too_large())?;
        if announced > limit {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(announced);
        while let Some(chunk) = response.chunk().await.map_err(|e| failed(method, e))? {
            if bytes.len() + chunk.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        // bitcoind sends its errors with other statuses but with a body; others have none.
        if !status.is_success() && !matches!(bytes.first(), Some(b'{' | b'[')) {
            return Err(malformed(method, format!("HTTP status {status}")));
        }
        Ok(bytes)
    }

    fn known_cookie(&self) -> Option<Credentials> {
        self.cookie.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn read_cookie(&self, path: &Path) -> Result<Credentials, RpcError> {
        let unreadable = |why: String| {
            let path = path.display();
            RpcError::Connection(format!("the cookie file {path} {why}; is bitcoind running?"))
        };
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|e| unreadable(format!("cannot be read: {e}")))?;
        let mut text = zeroize::Zeroizing::new(String::new());
        let read = file.take(MAX_COOKIE).read_to_string(&mut text).await;
        read.map_err(|e| unreadable(format!("cannot be read: {e}")))?;
        let parts = text.trim().split_once(':');
        let (user, password) = parts.ok_or_else(|| unreadable("is not a cookie".into()))?;
        let fresh = (user.to_owned(), Secret::new(password));
        *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
        Ok(fresh)
    }
}

/// What reqwest says, with its causes and without the URL.
fn failed(method: &str, error: reqwest::Error) -> RpcError {
    if error.is_timeout() {
        return RpcError::Timeout(method.into());
    }
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    RpcError::Connection(text)
}
