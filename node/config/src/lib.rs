//! The local config (`node.toml`) and the shared parameters (`params.toml`).
//!
//! Always holds: a config that loads has been checked as a whole; unknown keys are refused; every
//! problem of a file is reported in one go, with file, line, key and what was expected.

mod local;
pub mod outside;
mod params;
mod problem;
mod section;
mod staking;
mod values;

pub use local::{
    AdminConfig, ApiConfig, BitcoinAuth, BitcoinConfig, Config, CoordinatorConfig, CovenantConfig,
    CovenantHttpConfig, CovenantSigner, EventsConfig, LogConfig, LogFormat, P2pConfig,
    PolicyConfig, QueueType, Recipients, StakingConfig, StoreConfig, WalletConfig,
};
pub use params::{load_params, load_shared_params, parse_params};
pub use problem::{ConfigError, Problem};
pub use staking::{GlobalFile, SharedParams};
pub use values::{multiaddr, peer_multiaddr};

use std::path::Path;

/// Largest config or parameter file read: 128 members take about 20 KiB.
const MAX_FILE: u64 = 1 << 20;

fn read(file: &Path) -> Result<String, ConfigError> {
    let size = std::fs::metadata(file).map_err(|e| {
        let text = "`trestle node init` writes a config, and docs/operating.md says how to make the \
                    shared parameters";
        ConfigError::file(file, format!("cannot be read: {e}; {text}"))
    })?;
    if size.len() > MAX_FILE {
        return Err(ConfigError::file(file, format!("larger than {MAX_FILE} bytes")));
    }
    std::fs::read_to_string(file)
        .map_err(|e| ConfigError::file(file, format!("cannot be read: {e}")))
}

#[cfg(test)]
mod tests;
