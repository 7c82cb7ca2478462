//! Starts a regtest bitcoind and shows, as one line of JSON, how to talk to it, until a signal
//! ends it. For trying things by hand, and for the test that nothing stays behind.

use std::io::Write as _;

use eyre::Result;
use serde_json::json;
use trestle_devnet::{Bitcoind, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = std::env::args().skip(1).fold(Options::default(), Options::arg);
    let bitcoind = Bitcoind::start(options).await?;
    let shown = json!({
        "pid": bitcoind.pid(),
        "folder": bitcoind.folder().path(),
        "rpc": bitcoind.rpc_url(),
        "cli": bitcoind.cli(),
    });
    writeln!(std::io::stdout(), "{shown}")?;
    // The harness itself ends this process on a signal.
    std::future::pending().await
}
