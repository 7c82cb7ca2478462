//! Where bitcoind is and how to talk to it.

use std::{fmt, path::PathBuf, time::Duration};

use bitcoin::{FeeRate, Network};
use zeroize::Zeroizing;

/// A password. It has no `Debug` that shows it, and is wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a password in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How bitcoind knows us.
#[derive(Clone, Debug)]
pub enum Auth {
    /// `rpcauth` or `rpcuser` and `rpcpassword`.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// The `.cookie` file that bitcoind writes at every start; read again when it is refused.
    Cookie(PathBuf),
}

/// Settings of the client.
#[derive(Clone, Debug)]
pub struct Config {
    /// `http://host:port`, without user and password.
    pub url: String,
    /// Credentials.
    pub auth: Auth,
    /// The chain that bitcoind must be on.
    pub network: Network,
    /// Longest wait for a TCP connection.
    pub connect_timeout: Duration,
    /// Longest wait for a whole answer.
    pub timeout: Duration,
    /// How often a read is tried again after a lost connection or while bitcoind starts, within
    /// one call. Followers and watchers go on trying by themselves.
    pub retries: u32,
    /// The rate used while bitcoind has no estimate.
    pub fallback_fee: FeeRate,
}

impl Config {
    /// The defaults for a bitcoind of this network.
    pub fn new(url: impl Into<String>, auth: Auth, network: Network) -> Self {
        Self {
            url: url.into(),
            auth,
            network,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            retries: 3,
            fallback_fee: FeeRate::from_sat_per_vb_u32(10),
        }
    }
}

/// Why a client cannot be made from its config. None of the texts shows the URL: it could hold a
/// password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not a URL, or not one of plain HTTP.
    #[error("bitcoind's URL must look like http://127.0.0.1:8332")]
    Url,
    /// The URL holds credentials.
    #[error("bitcoind's URL must not hold a user or password: set those by their own keys")]
    Credentials,
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
}
