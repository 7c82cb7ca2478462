//! A small HTTP server.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the server does with a request.
pub(crate) enum Answer {
    /// Answers with this status and body.
    Http(u16, String),
    /// Closes the connection at once.
    HangUp,
    /// Begins an answer and closes the connection.
    HangUpAfter,
    /// Keeps the connection and says nothing.
    Silence,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// How many came before.
    pub(crate) number: usize,
    /// `user:password`.
    pub(crate) credentials: Option<String>,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn methods(&self) -> Vec<String> {
        let calls = self.body.as_array().cloned().unwrap_or_else(|| vec![self.body.clone()]);
        calls.iter().map(|call| call["method"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Answers each call of a request.
    pub(crate) fn reply(
        &self,
        answer: impl Fn(&str, &Value) -> Result<Value, (i64, &'static str)>,
    ) -> Answer {
        let one = |call: &Value| {
            let method = call["method"].as_str().unwrap_or_default();
            match answer(method, &call["params"]) {
                Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
                Err((code, message)) => {
                    let error = json!({"code": code, "message": message});
                    json!({"jsonrpc": "2.0", "id": call["id"], "error": error})
                }
            }
        };
        let said = match self.body.as_array() {
            Some(calls) => Value::Array(calls.iter().map(one).collect()),
            None => one(&self.body),
        };
        Answer::Http(200, said.to_string())
    }
}

type Handler = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;
type Log = Arc<Mutex<Vec<Request>>>;

pub(crate) struct Server {
    address: SocketAddr,
    log: Log,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let (log, handler) = (Log::default(), Arc::new(handler));
        let served = log.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, handler.clone(), served.clone()));
            }
        });
        Self { address, log, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().expect("no test panics while it holds this").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves requests on one connection until it ends. A broken one is the client's to notice.
async fn serve(stream: TcpStream, handler: Handler, log: Log) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read(&mut stream, &log).await?;
        match handler(&request) {
            Answer::Http(status, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} Some\r\ncontent-length: {length}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(body.as_bytes()).await.ok()?;
            }
            Answer::HangUp => return None,
            Answer::HangUpAfter => {
                let head = "HTTP/1.1 200 Some\r\ncontent-length: 100\r\n\r\n{";
                stream.write_all(head.as_bytes()).await.ok()?;
                return None;
            }
            Answer::Silence => std::future::pending().await,
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>, log: &Log) -> Option<Request> {
    let (mut length, mut credentials) = (0, None);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => credentials = value.strip_prefix("Basic ").map(from_base64),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = serde_json::from_slice(&body).ok()?;
    let mut log = log.lock().expect("no test panics while it holds this");
    let request = Request { number: log.len(), credentials, body };
    log.push(request.clone());
    Some(request)
}

fn from_base64(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for digit in text.bytes().filter_map(|c| ALPHABET.iter().position(|a| *a == c)) {
        held = (held << 6 | u32::try_from(digit).expect("below 64")) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    String::from_utf8(bytes).expect("tests use ASCII")
}
