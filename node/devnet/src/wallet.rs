//! An offline wallet: a bitcoind that talks to nobody and signs with the keys it holds.
//!
//! Its wallet is encrypted from its first moment on, so no key is ever written in clear. After
//! [`OfflineWallet::start`] it is locked, as after every start of a real one; its operator is
//! whoever calls [`OfflineWallet::unlock`].

use bitcoin::secp256k1::SecretKey;
use bitcoin::{NetworkKind, PrivateKey};
use eyre::{Context as _, Result, ensure};
use rand::Rng as _;
use rand::distributions::Alphanumeric;
use serde_json::{Value, json};

use crate::{Bitcoind, Options};

/// The wallet's name; the space shows whether a client writes it into its URL as it must.
const NAME: &str = "covenant member";
/// Longest unlocking that bitcoind knows, in seconds: three years.
const UNLOCKED: u32 = 100_000_000;

/// A bitcoind without peers, and in it one encrypted wallet.
#[derive(Debug)]
pub struct OfflineWallet {
    bitcoind: Bitcoind,
    passphrase: String,
}

impl OfflineWallet {
    /// Starts one that holds these keys, each as a descriptor of its own. It is locked.
    ///
    /// # Errors
    /// When there is no bitcoind, or one that was built without wallets.
    pub async fn start(keys: &[SecretKey]) -> Result<Self> {
        let bitcoind = Bitcoind::start(Options::default().arg("-connect=0")).await?;
        let passphrase: String =
            rand::thread_rng().sample_iter(Alphanumeric).take(32).map(char::from).collect();
        let wallet = Self { bitcoind, passphrase };
        wallet.create().await.wrap_err("this bitcoind may have been built without wallets")?;
        wallet.unlock().await?;
        wallet.import(keys).await?;
        wallet.lock().await?;
        Ok(wallet)
    }

    /// What its operator does: signing is possible until [`lock`](Self::lock) or the next start.
    ///
    /// # Errors
    /// When bitcoind refuses or does not answer.
    pub async fn unlock(&self) -> Result<()> {
        self.bitcoind.rpc("walletpassphrase", json!([self.passphrase, UNLOCKED])).await?;
        Ok(())
    }

    /// Ends an unlocking.
    ///
    /// # Errors
    /// When bitcoind refuses or does not answer.
    pub async fn lock(&self) -> Result<()> {
        self.bitcoind.rpc("walletlock", json!([])).await?;
        Ok(())
    }

    /// Takes the wallet out of the bitcoind, as if it had not been loaded.
    ///
    /// # Errors
    /// When bitcoind refuses or does not answer.
    pub async fn unload(&self) -> Result<()> {
        self.bitcoind.rpc("unloadwallet", json!([NAME])).await?;
        Ok(())
    }

    /// The bitcoind that holds it.
    #[must_use]
    pub const fn bitcoind(&self) -> &Bitcoind {
        &self.bitcoind
    }

    /// As [`bitcoind`](Self::bitcoind), to stop or restart it. A restarted one has loaded its wallet,
    /// locked.
    #[must_use]
    pub const fn bitcoind_mut(&mut self) -> &mut Bitcoind {
        &mut self.bitcoind
    }

    /// The command line with which a person talks to the wallet.
    #[must_use]
    pub fn cli(&self) -> String {
        self.bitcoind.cli_of(Some(NAME))
    }

    /// The wallet's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        NAME
    }

    async fn create(&self) -> Result<()> {
        let wallet = json!({
            "wallet_name": NAME,
            "blank": true,
            "passphrase": self.passphrase,
            "descriptors": true,
            "load_on_startup": true,
        });
        self.bitcoind.rpc("createwallet", wallet).await?;
        Ok(())
    }

    async fn import(&self, keys: &[SecretKey]) -> Result<()> {
        let mut requests = Vec::new();
        for key in keys {
            let descriptor = self.descriptor(key).await?;
            // "now": the chain is not searched for coins of it; there are no blocks anyway.
            requests.push(json!({"desc": descriptor, "timestamp": "now"}));
        }
        let done = self.bitcoind.rpc("importdescriptors", json!([requests])).await?;
        let good = |each: &Value| each.get("success") == Some(&Value::Bool(true));
        let all = done.as_array().is_some_and(|done| done.iter().all(good));
        ensure!(all, "the wallet did not take all keys");
        Ok(())
    }

    /// The key's descriptor, with its checksum. Any form will do: the wallet looks a key up by
    /// itself, not by its address.
    async fn descriptor(&self, key: &SecretKey) -> Result<String> {
        let key = PrivateKey::new(*key, NetworkKind::Test).to_wif();
        let bare = format!("wpkh({key})");
        let info = self.bitcoind.rpc("getdescriptorinfo", json!([bare])).await?;
        let sum = info.get("checksum").and_then(Value::as_str).unwrap_or_default();
        Ok(format!("{bare}#{sum}"))
    }
}
