//! What a bitcoind is started with.
//!
//! All but the caller's own arguments goes into `bitcoin.conf` (mode 0600), so that the
//! password is in no process list and `bitcoin-cli -datadir=…` works as it is.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use eyre::{Context as _, Result};

/// Choices for one bitcoind; the default has a transaction index and no p2p port.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(super) p2p: bool,
    pub(super) pruned: bool,
    pub(super) arguments: Vec<String>,
}

pub(super) struct Ports {
    pub(super) rpc: u16,
    pub(super) p2p: Option<u16>,
}

impl Options {
    /// Lets other bitcoinds connect.
    #[must_use]
    pub const fn p2p(mut self) -> Self {
        self.p2p = true;
        self
    }

    /// Prunes by hand (`pruneblockchain`), in small steps, and so has no transaction index.
    #[must_use]
    pub const fn pruned(mut self) -> Self {
        self.pruned = true;
        self
    }

    /// Adds a command line argument, such as `-rest`.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(super) fn config(
        &self,
        ports: &Ports,
        user: &str,
        password: &str,
        corepolicy: bool,
    ) -> String {
        let mut lines = vec![
            format!("rpcuser={user}"),
            format!("rpcpassword={password}"),
            format!("rpcport={}", ports.rpc),
            "rpcbind=127.0.0.1".into(),
            "rpcallowip=127.0.0.1".into(),
            // A follower's parallel requests must not meet "Work queue depth exceeded".
            "rpcworkqueue=256".into(),
            "fallbackfee=0.0001".into(),
            "listenonion=0".into(),
            "discover=0".into(),
            "dnsseed=0".into(),
            "printtoconsole=0".into(),
            // Several run at once on few cores.
            "dbcache=16".into(),
            "par=1".into(),
        ];
        match ports.p2p {
            Some(port) => lines.extend(["listen=1".into(), format!("bind=127.0.0.1:{port}")]),
            None => lines.push("listen=0".into()),
        }
        if self.pruned {
            lines.extend(["prune=1".into(), "fastprune=1".into()]);
        } else {
            lines.push("txindex=1".into());
        }
        if corepolicy {
            lines.push("corepolicy=1".into());
        }
        lines.iter().fold("regtest=1\n[regtest]\n".to_owned(), |mut text, line| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
            text
        })
    }
}

/// Writes a new file of mode 0600.
pub(crate) fn write_private(path: impl AsRef<Path>, text: &str) -> Result<()> {
    let path = path.as_ref();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .wrap_err_with(|| format!("cannot create {}", path.display()))?;
    file.write_all(text.as_bytes()).wrap_err_with(|| format!("cannot write {}", path.display()))
}
