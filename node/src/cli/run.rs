//! `trestle run`: a node in the foreground.

use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{CliError, Exit, output::Output, passphrase::PassphraseArgs, table::pairs};
use crate::{
    config::Config,
    process::Endpoints,
    run::{Prepared, RunError},
    telemetry,
};

/// Which node, and how it gets its passphrase.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The node's config.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// A first contact besides those of the config: a multiaddress that ends in /p2p/PEER.
    #[arg(long, value_name = "MULTIADDR")]
    bootnode: Vec<String>,
    /// Takes the PostgreSQL database from a process that still holds it. Without this the node waits
    /// until that one lets go. Only when you know that the other is stuck: never in a service file.
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(super) fn run(output: &Output, args: RunArgs) -> Result<(), CliError> {
    let mut config = Config::load(&args.config)?;
    config.p2p.bootnodes.extend(args.bootnode);
    telemetry::init(&config.log);
    let ask = || {
        let given = args.passphrase.get("Passphrase of the node's keys: ");
        given.map_err(|e| match e.body.hint {
            Some(hint) => RunError::Passphrase(format!("{}: {hint}", e.body.message)),
            None => RunError::Passphrase(e.body.message),
        })
    };
    let prepared = Prepared::new(config, ask)?.take_over(args.take_over);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| CliError::failed(format!("the runtime did not start: {e}")))?;
    let done = runtime.block_on(until_signal(output, prepared));
    // Everything of ours has been joined; what is left is a blocking read at most.
    runtime.shutdown_background();
    done
}

async fn until_signal(output: &Output, prepared: Prepared) -> Result<(), CliError> {
    let watch = |kind| signal(kind).map_err(|e| CliError::failed(format!("signals: {e}")));
    let signals = (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    tokio::spawn(cancel_on(signals, stop.clone()));
    let show = |endpoints: &Endpoints| {
        // Whoever closed stdout does not want to know; the same is in endpoints.json.
        let _ = output.result(endpoints, text);
    };
    Ok(crate::run::run(prepared, stop, show).await?)
}

async fn cancel_on((mut interrupt, mut terminate): (Signal, Signal), stop: CancellationToken) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stop.cancel();
}

fn text(endpoints: &Endpoints) -> String {
    let mut lines = vec![("peer", endpoints.peer.clone())];
    lines.extend(endpoints.p2p.iter().map(|address| ("listening on", address.clone())));
    lines.push(("api", format!("{} (/docs, /metrics, /readyz)", endpoints.api)));
    lines.push((
        "admin",
        format!("{}, token in {}", endpoints.admin, endpoints.token_file.display()),
    ));
    pairs(&lines)
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        let message = error.to_string();
        let exit = match error {
            RunError::Config(_) | RunError::NoVariable(_) => Exit::Config,
            RunError::Keys(_) | RunError::Passphrase(_) => Exit::Keys,
            RunError::Lock(_)
            | RunError::Bind(_)
            | RunError::Network(_)
            | RunError::Store(_)
            | RunError::TakenOver(_)
            | RunError::Secret { .. }
            | RunError::Bitcoin(_)
            | RunError::Actor(_)
            | RunError::Staking(_)
            | RunError::Io { .. } => Exit::Failed,
        };
        Self::new(exit, message)
    }
}
