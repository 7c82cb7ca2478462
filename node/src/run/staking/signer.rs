//! A covenant key in a bitcoind wallet.

use std::time::Duration;

use trestle_bitcoind::{Auth, Config as ClientConfig, OfflineWallet, Secret, WalletError};
use trestle_keys::taproot::bitcoin_network;

use super::super::{RunError, actors::Parts, feeds::Tasks, store::secret_line};
use crate::{
    config::{BitcoinAuth, WalletConfig},
    readiness::Health,
};

/// The component's name in `/readyz`.
const COMPONENT: &str = "covenant_wallet";
/// How often the wallet is asked whether it can sign.
const CHECK: Duration = Duration::from_secs(5);

/// The wallet of the config. `/readyz` shows whether it can sign: that it is locked is for its
/// operator to see before a staker does.
pub(super) fn wallet(
    config: &WalletConfig,
    parts: &Parts<'_>,
    tasks: &mut Tasks,
) -> Result<OfflineWallet, RunError> {
    let auth = match &config.auth {
        BitcoinAuth::Cookie(path) => Auth::Cookie(path.clone()),
        BitcoinAuth::User { user, password_file } => {
            let password = secret_line(password_file, "covenant.wallet.password_file")?;
            Auth::Password { user: user.clone(), password: Secret::new(password.as_str()) }
        }
    };
    let client = ClientConfig::new(&config.rpc, auth, bitcoin_network(parts.network));
    let wallet = OfflineWallet::new(&client, &config.name)
        .map_err(|error| RunError::Staking(format!("covenant.wallet in the config: {error}")))?;
    let (shown, readiness, stop) = (wallet.clone(), parts.readiness.clone(), parts.stop.clone());
    readiness.set(COMPONENT, Health::NotReady("not asked yet".into()));
    tasks.spawn(async move {
        let watch = async {
            loop {
                readiness.set(COMPONENT, health(shown.check().await));
                tokio::time::sleep(CHECK).await;
            }
        };
        stop.run_until_cancelled(watch).await;
        Ok(())
    });
    Ok(wallet)
}

fn health(checked: Result<(), WalletError>) -> Health {
    match checked {
        Ok(()) => Health::Ready,
        Err(error) => Health::NotReady(error.to_string()),
    }
}
