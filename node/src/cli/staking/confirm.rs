//! Asking before something cannot be undone.

use std::io::{self, IsTerminal as _};

use clap::Args;

use crate::cli::{CliError, output::Output};

/// Whether to ask.
#[derive(Debug, Args)]
pub(super) struct ConfirmArgs {
    /// Does it without asking.
    #[arg(short, long)]
    yes: bool,
}

impl ConfirmArgs {
    /// Asks, unless told not to. `reads_stdin`: a key came from there, so nobody can answer.
    pub(super) fn ask(
        &self,
        output: &Output,
        question: &str,
        reads_stdin: bool,
    ) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        if reads_stdin || output.is_json() || !io::stdin().is_terminal() {
            return Err(CliError::usage("nothing was signed: there is nobody to ask")
                .hint("look at what it says, and add --yes"));
        }
        output.line(&format!("{question} [y/N]"));
        let mut answer = String::new();
        io::stdin()
            .read_line(&mut answer)
            .map_err(|e| CliError::failed(format!("no answer: {e}")))?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(CliError::failed("nothing was signed, as you said")),
        }
    }
}
