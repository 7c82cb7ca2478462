//! The client of the pages: some connections that ask one request after another, in a process of
//! its own.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use eyre::{OptionExt as _, Result, ensure};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

/// What to ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// `HOST:PORT/PATH`, to which a staker's key is added.
    pub(super) url: String,
    /// A file with a key a line.
    pub(super) stakers: PathBuf,
    /// How many connections.
    pub(super) connections: usize,
    /// How many requests each makes.
    pub(super) requests: usize,
    /// Bytes of each answer's body.
    pub(super) bytes: usize,
    /// Of the choice of stakers.
    pub(super) seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// Requests a second.
    pub(super) rate: f64,
    /// A hundredth of the answers took longer, in milliseconds.
    pub(super) p99_ms: f64,
}

/// Does what the file says, and prints what came of it as JSON.
///
/// # Errors
/// When an answer is not a page.
pub(crate) async fn load(file: &Path) -> Result<()> {
    let order: Order = serde_json::from_slice(&fs::read(file)?)?;
    let stakers: Arc<[String]> =
        fs::read_to_string(&order.stakers)?.lines().map(str::to_owned).collect();
    let order = Arc::new(order);
    let mut connections = JoinSet::new();
    let begun = Instant::now();
    for number in 0..order.connections {
        connections.spawn(ask(Arc::clone(&order), Arc::clone(&stakers), number as u64));
    }
    let mut times = Vec::new();
    while let Some(done) = connections.join_next().await {
        times.extend(done??);
    }
    let took = begun.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let p99 = times.get(times.len() * 99 / 100).ok_or_eyre("nothing was asked")?;
    let outcome = Outcome { rate: times.len() as f64 / took, p99_ms: *p99 };
    writeln!(io::stdout(), "{}", serde_json::to_string(&outcome)?)?;
    Ok(())
}

/// One connection; the milliseconds of each answer.
async fn ask(order: Arc<Order>, stakers: Arc<[String]>, number: u64) -> Result<Vec<f64>> {
    let (host, path) = order.url.split_once('/').ok_or_eyre("expected HOST:PORT/PATH")?;
    let mut rng = StdRng::seed_from_u64(order.seed * 1_000 + number);
    let mut stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (mut times, mut answer) = (Vec::with_capacity(order.requests), Vec::new());
    for _ in 0..order.requests {
        let staker = &stakers[rng.gen_range(0..stakers.len())];
        let request = format!("GET /{path}{staker} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let body = read(&mut stream, &mut answer).await?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        // Numbers of more or fewer digits change a few bytes.
        ensure!(body.abs_diff(order.bytes) < 100, "expected {} bytes, got {body}", order.bytes);
    }
    Ok(times)
}

/// Reads one answer, and gives its body's length.
async fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<usize> {
    const END: &[u8] = b"\r\n\r\n";
    answer.clear();
    let head = loop {
        let read = stream.read_buf(answer).await?;
        ensure!(read > 0, "the server closed the connection");
        if let Some(at) = answer.windows(END.len()).position(|bytes| bytes == END) {
            break at + END.len();
        }
    };
    let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
    ensure!(text.starts_with("http/1.1 200"), "expected a page, got {text}");
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.ok_or_eyre("an answer without its length")?.trim().parse()?;
    while answer.len() < head + length {
        ensure!(stream.read_buf(answer).await? > 0, "the server closed the connection");
    }
    Ok(length)
}
