//! `trestle devnet demo`: tells the story step by step and answers with one line of JSON.

use std::{
    io::{self, Write as _},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use eyre::Result;
use serde_json::json;
use trestle_devnet::{
    Bitcoind, before_the_end,
    network::{Devnet, Node},
};

use super::{DemoArgs, LEAST_SIGNERS, Stack, Story, failed, give_coins, report, staking, story};
use crate::cli::{CliError, output::Output};

/// Tells what happens, with the time since the start.
pub(super) struct Teller<'a> {
    output: &'a Output,
    begun: Instant,
    step: Arc<Mutex<&'static str>>,
}

impl<'a> Teller<'a> {
    fn new(output: &'a Output) -> Self {
        let step = Arc::new(Mutex::new("start"));
        let at = Arc::clone(&step);
        before_the_end(move || {
            let error = "interrupted by a signal";
            let step = *at.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever closed stdout does not want to know.
            let _ = last_line(&json!({ "ok": false, "step": step, "error": error, "log": "" }));
        });
        Self { output, begun: Instant::now(), step }
    }

    fn at(&self) -> &'static str {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a step; a failure from now on is reported under its name.
    pub(super) fn step(&mut self, name: &'static str, text: &str) {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner) = name;
        self.line(&format!("{name}: {text}"));
    }

    /// What came of it.
    pub(super) fn tell(&self, text: &str) {
        self.line(&format!("  {text}"));
    }

    fn line(&self, text: &str) {
        self.output.line(&format!("{:>7.2} s  {text}", self.begun.elapsed().as_secs_f64()));
    }
}

/// A network that a story is played on.
pub(super) trait Network {
    /// All nodes.
    fn nodes(&self) -> Vec<&Node>;
    /// The chain they all look at.
    fn bitcoind(&self) -> &Bitcoind;
    /// Where everything can be reached, for a person who keeps it.
    fn endpoints(&self) -> String;
    /// Stops it in good order.
    fn stop(&mut self) -> impl Future<Output = Result<()>>;
}

impl Network for Devnet {
    fn nodes(&self) -> Vec<&Node> {
        Self::nodes(self).collect()
    }

    fn bitcoind(&self) -> &Bitcoind {
        &self.bitcoind
    }

    fn endpoints(&self) -> String {
        report::text(&report::endpoints(self))
    }

    fn stop(&mut self) -> impl Future<Output = Result<()>> {
        Self::stop(self)
    }
}

pub(super) async fn run(output: &Output, args: &DemoArgs) -> Result<(), CliError> {
    match args.story {
        Story::Committee if args.stack == Stack::Full => {
            Err(CliError::usage("--stack full is of the story staking"))
        }
        Story::Committee => {
            args.network.check(LEAST_SIGNERS)?;
            tell(output, args.keep, async |teller, slot| committee(teller, args, slot).await).await
        }
        Story::Staking => {
            args.network.check(1)?;
            tell(output, args.keep, async |teller, slot| staking::play(teller, args, slot).await)
                .await
        }
    }
}

/// Plays a story, which puts its network into the slot, and says how it ended.
async fn tell<N: Network>(
    output: &Output,
    keep: bool,
    play: impl AsyncFnOnce(&mut Teller<'_>, &mut Option<N>) -> Result<serde_json::Value>,
) -> Result<(), CliError> {
    let mut teller = Teller::new(output);
    let mut network = None;
    match play(&mut teller, &mut network).await {
        Ok(done) => {
            if let Some(network) = network.as_ref().filter(|_| keep) {
                give_coins(output, network.bitcoind()).await;
                output.note(&format!("\n{}\n", network.endpoints()));
                output.note("the network stays up until Ctrl-C");
                last_line(&done)?;
                // The harness answers the signal: it ends every process and removes the folder.
                std::future::pending::<()>().await;
            }
            if let Some(mut network) = network {
                network.stop().await.map_err(failed)?;
            }
            last_line(&done)
        }
        Err(error) => {
            teller.tell(&format!("failed: {error:#}"));
            let log = network.as_ref().map(|network| logs(&network.nodes())).unwrap_or_default();
            last_line(&json!({
                "ok": false, "step": teller.at(), "error": format!("{error:#}"), "log": log,
            }))?;
            drop(network);
            Err(CliError::failed(format!("the demo failed at the step {:?}", teller.at())))
        }
    }
}

async fn committee(
    teller: &mut Teller<'_>,
    args: &DemoArgs,
    slot: &mut Option<Devnet>,
) -> Result<serde_json::Value> {
    teller.step("start", "bitcoind, a bootnode, the committee and a coordinator");
    let prepared = Devnet::prepare(&args.network.options()).await?;
    let devnet = slot.insert(prepared);
    devnet.start_nodes().await?;
    story::play(teller, devnet, args.network.committee, args.network.threshold).await
}

/// The last lines of every node's log, for whoever has to find out.
fn logs(nodes: &[&Node]) -> String {
    const LINES: usize = 15;
    let mut all = String::new();
    for node in nodes {
        let log = node.logged();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
        all.push_str(&format!("--- {}\n{tail}\n", node.name()));
    }
    all
}

/// The one line of stdout. A signal may ask for it while the story ends: the first counts.
fn last_line(value: &serde_json::Value) -> Result<(), CliError> {
    static SAID: AtomicBool = AtomicBool::new(false);
    if SAID.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    writeln!(io::stdout(), "{value}").map_err(|e| CliError::failed(format!("stdout: {e}")))
}
