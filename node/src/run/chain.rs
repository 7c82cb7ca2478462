//! The connection to bitcoind, watched.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trestle_actors::ports::{ChainError, chain::ChainStatus};
use trestle_bitcoind::{Auth, Bitcoind, CheckError, Config as ClientConfig, Secret};
use trestle_keys::taproot::bitcoin_network;
use trestle_wire::Network;

use super::{RunError, guard::trusted, store::secret_line};
use crate::{
    config::{BitcoinAuth, BitcoinConfig},
    events::{Event, EventBus},
    readiness::{Health, Readiness},
};

/// The component's name in `/readyz`.
pub(super) const COMPONENT: &str = "bitcoind";
/// How often the age of an unchanged tip is looked at.
const AGE_CHECK: Duration = Duration::from_secs(60);

/// A client of the configured bitcoind. One that does not answer may come back; one that can never
/// be used ends the start.
pub(super) async fn connect(
    config: &BitcoinConfig,
    network: Network,
) -> Result<Bitcoind, RunError> {
    let auth = match &config.auth {
        BitcoinAuth::Cookie(path) => Auth::Cookie(path.clone()),
        BitcoinAuth::User { user, password_file } => {
            let password = secret_line(password_file, "bitcoin.password_file")?;
            Auth::Password { user: user.clone(), password: Secret::new(password.as_str()) }
        }
    };
    let client = ClientConfig::new(&config.rpc, auth, bitcoin_network(network));
    let bitcoind = Bitcoind::new(&client).map_err(|e| RunError::Bitcoin(e.to_string()))?;
    match bitcoind.check().await {
        Ok(info) => {
            let tip = info.tip.height;
            tracing::info!(name = info.name, tip, ibd = info.ibd, "bitcoind answers");
        }
        Err(CheckError::Chain(error @ (ChainError::Unreachable(_) | ChainError::NotReady(_)))) => {
            tracing::warn!(%error, "bitcoind does not answer yet; trying on")
        }
        Err(error) => return Err(RunError::Bitcoin(error.to_string())),
    }
    Ok(bitcoind)
}

/// Shows the world how bitcoind is, until stopped.
///
/// # Errors
/// [`RunError::Bitcoin`] when bitcoind turns out to be one that can never be used: to go on would
/// be to act on another chain.
pub(super) async fn show(
    mut status: watch::Receiver<ChainStatus>,
    network: Network,
    readiness: Readiness,
    events: EventBus,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let mut last = None;
    loop {
        let now = status.borrow_and_update().clone();
        readiness.set(COMPONENT, health(&now, network));
        match &now {
            ChainStatus::Wrong(reason) => return Err(RunError::Bitcoin(reason.clone())),
            ChainStatus::Connected { tip, .. } if last != Some(tip.hash) => {
                last = Some(tip.hash);
                events.publish(Event::Tip { height: tip.height, hash: tip.hash.to_string() });
            }
            ChainStatus::Connected { .. } | ChainStatus::Unreachable(_) | ChainStatus::Unknown => {}
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = status.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(AGE_CHECK) => {}
        }
    }
}

fn health(status: &ChainStatus, network: Network) -> Health {
    match trusted(status, network) {
        Ok(_) => Health::Ready,
        Err(ChainError::NotReady(reason) | ChainError::Unreachable(reason)) => {
            Health::NotReady(reason)
        }
        Err(error) => Health::NotReady(error.to_string()),
    }
}
