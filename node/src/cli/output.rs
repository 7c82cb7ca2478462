//! Writing to stdout and stderr: the only place that does.

use std::io::{self, Write as _};

use serde::Serialize;
use serde_json::json;

use super::CliError;

/// Where results and messages go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// The command's result: a JSON value, or text for people.
    pub(super) fn result<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        let text = if self.json {
            serde_json::to_string(value)
                .map_err(|e| CliError::failed(format!("the result has no JSON form: {e}")))?
        } else {
            text(value)
        };
        writeln!(io::stdout(), "{}", text.trim_end())
            .map_err(|e| CliError::failed(format!("stdout: {e}")))
    }

    /// Stdout itself, for a result that is a file.
    #[expect(clippy::unused_self, reason = "all output goes through this type")]
    pub(super) fn stdout(&self) -> io::StdoutLock<'static> {
        io::stdout().lock()
    }

    /// Whether a program reads.
    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    /// Progress, for people alone: programs read one JSON value, which says all.
    pub(super) fn note(&self, text: &str) {
        if !self.json {
            self.line(text);
        }
    }

    /// A line that is wanted in any case.
    #[expect(clippy::unused_self, reason = "all output goes through this type")]
    pub(super) fn line(&self, text: &str) {
        // Whoever closed stderr does not want to know.
        let _ = writeln!(io::stderr(), "{text}");
    }

    pub(super) fn error(&self, error: &CliError) {
        if self.json {
            self.line(&json!({ "error": error.body }).to_string());
            return;
        }
        self.line(&format!("error: {}", error.body.message));
        if let Some(hint) = &error.body.hint {
            self.line(&format!("hint: {hint}"));
        }
    }
}
