//! Why a command failed, and the exit code that says so to scripts.

use std::process::ExitCode;

use crate::{api::error::ErrorBody, config::ConfigError, keystore::KeystoreError};

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was tried and failed.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The node refused.
    Refused = 3,
    /// The node cannot be reached.
    Unreachable = 4,
    /// The config or the shared parameters cannot be used.
    Config = 5,
    /// The keys cannot be used.
    Keys = 6,
}

impl Exit {
    /// A fixed word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Config => "config",
            Self::Keys => "keys",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // The discriminants are the codes.
        Self::from(exit as u8)
    }
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliError {
    /// The kind of failure.
    pub exit: Exit,
    /// What is wrong and what to do next.
    pub body: ErrorBody,
}

impl CliError {
    /// A failure of some kind.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        let body = ErrorBody { code: exit.word().to_owned(), message: message.into(), hint: None };
        Self { exit, body }
    }

    /// It was tried and failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Whether the node may do it all the same, although it did not say so.
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self.body.code.as_str(), "no_answer" | "unavailable")
    }

    /// The same with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Config, error.to_string())
    }
}

impl From<KeystoreError> for CliError {
    fn from(error: KeystoreError) -> Self {
        Self::new(Exit::Keys, error.to_string())
    }
}
