//! One node: its files, its process and what it answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use eyre::{Context as _, Result, bail, ensure, eyre};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{config, metrics::Metrics, program};
use crate::{Port, Process, wait};

/// Longest wait for a node to be ready or to end: a loaded machine may need many seconds.
const LIMIT: Duration = Duration::from_secs(60);
/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(30);

/// A node of a network on this machine, running or not. Dropping it kills the process.
#[derive(Debug)]
pub struct Node {
    process: Option<Process>,
    name: String,
    program: PathBuf,
    folder: PathBuf,
    keys: PathBuf,
    peer: String,
    committee_key: String,
    covenant_key: String,
    // Leased for as long as the node exists, so that a restart finds them free.
    p2p: Port,
    api: Port,
    admin: Port,
    http: reqwest::Client,
}

impl Node {
    /// Makes the keys of a node called `name` under the network's `folder`.
    pub(super) async fn new(program: &Path, folder: &Path, name: &str) -> Result<Self> {
        let data = folder.join(name);
        let passphrase = folder.join("passphrase");
        let made = program::json(
            program,
            &[
                "keys",
                "new",
                "--data-dir",
                text(&data)?,
                "--network",
                "regtest",
                "--passphrase-file",
                text(&passphrase)?,
            ],
        )
        .await?;
        let part = |key: &str| {
            let part = made.get(key).and_then(Value::as_str).map(str::to_owned);
            part.ok_or_else(|| eyre!("trestle keys new: expected {key:?}, got {made}"))
        };
        Ok(Self {
            process: None,
            name: name.to_owned(),
            program: program.to_owned(),
            folder: folder.to_owned(),
            keys: part("file")?.into(),
            peer: part("peer")?,
            committee_key: part("committee_key")?,
            covenant_key: part("covenant_key")?,
            p2p: Port::free()?,
            api: Port::free()?,
            admin: Port::free()?,
            http: reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?,
        })
    }

    /// Starts it from its config; does not wait until it is ready.
    ///
    /// # Errors
    /// When it runs already or the program cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.start_with(&[])
    }

    /// As [`start`](Self::start) with further arguments of `trestle run`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(&mut self, arguments: &[&str]) -> Result<()> {
        if let Some(process) = &mut self.process {
            ensure!(process.ended()?.is_some(), "{} runs already", self.name);
        }
        let mut command = Command::new(&self.program);
        command.args(["run", "-c"]).arg(self.config());
        command.arg("--passphrase-file").arg(self.folder.join("passphrase")).args(arguments);
        self.process = Some(Process::start(&self.name, command, &self.log())?);
        Ok(())
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Errors
    /// When it ends or is not ready in time; the error has its reason and its log.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let url = format!("{}/readyz", self.api_url());
        let mut said = String::from("nothing");
        let Self { process, http, name, .. } = self;
        let Some(process) = process else { bail!("{name} was not started") };
        let what = format!("{name} to be ready");
        let ready = wait::until(&what, LIMIT, async || {
            process.check_running()?;
            let Ok(answer) = http.get(&url).send().await else { return Ok(None) };
            let ready = answer.status() == StatusCode::OK;
            said = answer.text().await.unwrap_or_default();
            Ok(ready.then_some(()))
        })
        .await;
        ready.wrap_err_with(|| format!("/readyz said {said}; its log:\n{}", process.log_tail()))
    }

    /// Stops it in good order; does nothing to one that does not run.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        match &mut self.process {
            Some(process) => process.stop(LIMIT).await.map(drop),
            None => Ok(()),
        }
    }

    /// Ends it at once (SIGKILL), as a power cut would.
    ///
    /// # Errors
    /// When the system cannot say whether it ended.
    pub fn kill(&mut self) -> Result<()> {
        self.process.as_mut().map_or(Ok(()), |process| process.kill().map(drop))
    }

    /// Stops it where it runs, starts it again on the same files and ports, and waits until
    /// it is ready.
    ///
    /// # Errors
    /// As [`stop`](Self::stop), [`start`](Self::start) and [`wait_ready`](Self::wait_ready).
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.start()?;
        self.wait_ready().await
    }

    /// Waits until it ends by itself, and gives how.
    ///
    /// # Errors
    /// When it was not started or goes on running.
    pub async fn wait_end(&mut self) -> Result<ExitStatus> {
        let Some(process) = &mut self.process else { bail!("{} was not started", self.name) };
        process.wait(LIMIT).await
    }

    /// The process number of its last start.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Everything it logged so far, over all its starts.
    #[must_use]
    pub fn logged(&self) -> String {
        fs::read(self.log())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// What its `/metrics` says.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<Metrics> {
        let answer = self.http.get(format!("{}/metrics", self.api_url())).send().await?;
        Ok(Metrics::parse(&answer.error_for_status()?.text().await?))
    }

    /// GET of a public path, such as `/v1/node`.
    ///
    /// # Errors
    /// When it does not answer, or not with success and JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let request = self.http.get(format!("{}{path}", self.api_url()));
        read(path, request.send().await?).await
    }

    /// A request to a public path; gives status and body, whatever they are.
    ///
    /// # Errors
    /// When it does not answer, or not with JSON.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.api_url()));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body = serde_json::from_str(&text);
        Ok((status, body.wrap_err_with(|| format!("{path}: expected JSON, got {status} {text}"))?))
    }

    /// Reads the data of a public path's server-sent events until they are enough.
    ///
    /// # Errors
    /// When the stream is refused, ends, or does not bring them in time.
    pub async fn stream(
        &self,
        path: &str,
        enough: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<Value>> {
        let mut answer = self.http.get(format!("{}{path}", self.api_url())).send().await?;
        ensure!(answer.status().is_success(), "{path} answered {}", answer.status());
        let (mut seen, mut text) = (Vec::new(), Vec::new());
        while !enough(&seen) {
            let Some(chunk) = answer.chunk().await? else {
                bail!("{path} ended after {seen:?}");
            };
            text.extend_from_slice(&chunk);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                if let Some(data) = line.strip_prefix(b"data:") {
                    seen.push(serde_json::from_slice(data)?);
                }
            }
        }
        Ok(seen)
    }

    /// What `/readyz` says, ready or not.
    ///
    /// # Errors
    /// When it does not answer with JSON.
    pub async fn readiness(&self) -> Result<Value> {
        let answer = self.http.get(format!("{}/readyz", self.api_url())).send().await?;
        answer.json().await.wrap_err("/readyz: expected JSON")
    }

    /// Sets keys of its config file, each as `section.key = VALUE` in TOML, for its next start.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn configure(&self, settings: &[String]) -> Result<()> {
        let file = self.config();
        let text = fs::read_to_string(&file)
            .wrap_err_with(|| format!("cannot read {}", file.display()))?;
        let text = config::with_settings(&text, settings)?;
        fs::write(&file, text).wrap_err_with(|| format!("cannot write {}", file.display()))
    }

    /// A request with the token to a path of the admin listener.
    ///
    /// # Errors
    /// When it does not answer, or not with success and JSON; the error has what it said.
    pub async fn admin(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.request(method, format!("{}{path}", self.admin_url()));
        read(path, request.bearer_auth(self.admin_token()?).json(body).send().await?).await
    }

    /// Runs `trestle --json ARGUMENTS -c CONFIG`, and gives its answer.
    ///
    /// # Errors
    /// When the command fails; the error has its message.
    pub async fn command(&self, arguments: &[&str]) -> Result<Value> {
        let config = self.config();
        let arguments = [arguments, &["-c", text(&config)?]].concat();
        program::json(&self.program, &arguments).await
    }

    /// Its name: that of its files.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its peer id.
    #[must_use]
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Its committee key: 32 bytes in hex.
    #[must_use]
    pub fn committee_key(&self) -> &str {
        &self.committee_key
    }

    /// The same with its parity, 33 bytes in hex, as files of global parameters write it.
    #[must_use]
    pub fn covenant_key(&self) -> &str {
        &self.covenant_key
    }

    /// Its TCP address with its peer id, for others to start from.
    #[must_use]
    pub fn multiaddr(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}/p2p/{}", self.p2p_port(), self.peer)
    }

    /// The port for peers, of TCP and of QUIC.
    #[must_use]
    pub const fn p2p_port(&self) -> u16 {
        self.p2p.number()
    }

    /// `http://127.0.0.1:PORT` of the public listener.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api_address())
    }

    /// `http://127.0.0.1:PORT` of the admin listener.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin_address())
    }

    /// The admin listener's token, which the node makes at its first start.
    ///
    /// # Errors
    /// When there is none yet.
    pub fn admin_token(&self) -> Result<String> {
        let file = self.token_file();
        let token = fs::read_to_string(&file)
            .wrap_err_with(|| format!("cannot read the token {}", file.display()))?;
        Ok(token.trim().to_owned())
    }

    /// Its config file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join("conf").join(format!("{}.toml", self.name))
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The file that its output goes to.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("logs").join(format!("{}.log", self.name))
    }

    pub(super) fn keys(&self) -> &Path {
        &self.keys
    }

    pub(super) fn api_address(&self) -> String {
        format!("127.0.0.1:{}", self.api.number())
    }

    pub(super) fn admin_address(&self) -> String {
        format!("127.0.0.1:{}", self.admin.number())
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.data().join("admin.token")
    }
}

async fn read(path: &str, answer: reqwest::Response) -> Result<Value> {
    let status = answer.status();
    let body = answer.text().await?;
    ensure!(status.is_success(), "{path} answered {status}: {body}");
    serde_json::from_str(&body).wrap_err_with(|| format!("{path}: expected JSON, got {body}"))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| eyre!("the path {} is no UTF-8", path.display()))
}
