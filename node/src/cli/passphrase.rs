//! Where a passphrase comes from: a descriptor, a file or a prompt. Never the command line, which
//! every process of the machine can read.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;
use zeroize::Zeroizing;

use super::{CliError, Exit};
use crate::keystore::Passphrase;

/// Longer than any passphrase; a wrong path must not fill memory.
const MAX: u64 = 4_096;
/// The shortest that a new file may have.
const MIN: usize = 8;

/// Where the passphrase of the key file is; without either, there is a prompt.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PassphraseArgs {
    /// Reads the passphrase from the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// Reads the passphrase from the first line of this open file descriptor.
    #[arg(long, value_name = "N")]
    passphrase_fd: Option<u32>,
}

/// The same for the passphrase of a file that is written.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct NewPassphraseArgs {
    /// Reads the new file's passphrase from the first line of this file.
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_fd")]
    new_passphrase_file: Option<PathBuf>,
    /// Reads the new file's passphrase from the first line of this open file descriptor.
    #[arg(long, value_name = "N")]
    new_passphrase_fd: Option<u32>,
}

impl PassphraseArgs {
    /// The passphrase of an existing file.
    pub(super) fn get(&self, prompt: &str) -> Result<Passphrase, CliError> {
        match self.given()? {
            Some(passphrase) => Ok(passphrase),
            None => ask(prompt),
        }
    }

    /// A passphrase for a new file; a prompt asks twice.
    pub(super) fn choose(&self, prompt: &str) -> Result<Passphrase, CliError> {
        choose(self.given()?, prompt)
    }

    fn given(&self) -> Result<Option<Passphrase>, CliError> {
        given(self.passphrase_file.as_deref(), self.passphrase_fd)
    }
}

impl NewPassphraseArgs {
    pub(super) fn choose(&self, prompt: &str) -> Result<Passphrase, CliError> {
        choose(given(self.new_passphrase_file.as_deref(), self.new_passphrase_fd)?, prompt)
    }
}

fn choose(given: Option<Passphrase>, prompt: &str) -> Result<Passphrase, CliError> {
    let passphrase = match given {
        Some(passphrase) => passphrase,
        None => {
            let first = ask(prompt)?;
            if ask("The same again: ")? != first {
                return Err(CliError::failed("the two passphrases differ; nothing was written"));
            }
            first
        }
    };
    if passphrase.len() < MIN {
        return Err(CliError::usage(format!(
            "the passphrase has {} bytes, at least {MIN} are needed; nothing was written",
            passphrase.len()
        )));
    }
    Ok(passphrase)
}

fn given(file: Option<&Path>, fd: Option<u32>) -> Result<Option<Passphrase>, CliError> {
    let path = match (file, fd) {
        (Some(file), _) => file.to_owned(),
        // Opened by name, so that the descriptor itself stays with its owner.
        (None, Some(fd)) => PathBuf::from(format!("/dev/fd/{fd}")),
        (None, None) => return Ok(None),
    };
    let failed = |e: io::Error| {
        let what = format!("the passphrase cannot be read from {}: {e}", path.display());
        CliError::new(Exit::Keys, what)
    };
    let mut text = Zeroizing::new(Vec::new());
    File::open(&path).map_err(failed)?.take(MAX).read_to_end(&mut text).map_err(failed)?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        let what = format!("{} has an empty first line: expected a passphrase", path.display());
        return Err(CliError::new(Exit::Keys, what));
    }
    Ok(Some(Zeroizing::new(line.to_vec())))
}

fn ask(prompt: &str) -> Result<Passphrase, CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::usage("there is no terminal to ask for a passphrase")
            .hint("give --passphrase-file FILE or --passphrase-fd N"));
    }
    let text = rpassword::prompt_password(prompt)
        .map_err(|e| CliError::failed(format!("the passphrase cannot be read: {e}")))?;
    Ok(Zeroizing::new(text.into_bytes()))
}
