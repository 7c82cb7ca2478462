//! Logs, as text for people or one JSON object a line.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Starts logging to stderr; stdout belongs to a command's result. Only the first call counts.
pub fn init(config: &LogConfig) {
    // `Config::parse` has checked the filter.
    let filter = EnvFilter::builder().parse_lossy(&config.level);
    // Colours are for terminals: in a file they are noise.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(e) = started {
        tracing::debug!(error = %e, "logging had been started before");
    }
}
