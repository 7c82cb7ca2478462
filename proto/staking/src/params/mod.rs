//! Global parameters: the append-only file that all of staking's rules come from.
//!
//! Always holds: a [`GlobalParams`] has at least one version, each keeps every rule of the format,
//! numbers rise by one and activation heights strictly.

mod append;
mod check;
mod fault;
mod fields;
mod json;
mod parse;
mod source;
mod version;

pub use append::{AppendError, appends, appends_after};
pub use check::{Finding, Problem, check};
pub use fault::{Fault, Field, ParamsError, SequenceFault};
pub use version::{Cap, Tag, VersionParams};

/// All versions, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalParams {
    versions: Vec<VersionParams>,
}

impl GlobalParams {
    /// Reads a file. Fields that nobody knows are ignored; [`check`] tells them.
    ///
    /// # Errors
    /// [`ParamsError`], the first of all that [`check`] finds.
    pub fn parse(text: &str) -> Result<Self, ParamsError> {
        let read = parse::read(text);
        match read.faults.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(Self { versions: read.versions.into_iter().map(|v| v.params).collect() }),
        }
    }

    /// All versions, oldest first; never empty.
    pub fn versions(&self) -> &[VersionParams] {
        &self.versions
    }

    /// The rules for a staking transaction that is included at this height: those of the last
    /// version active by then, or `None` below the first activation. All that happens to the stake
    /// later goes by the same version.
    pub fn params_at(&self, height: u32) -> Option<&VersionParams> {
        self.versions.iter().rev().find(|version| version.activation_height <= u64::from(height))
    }

    /// The version with this number.
    pub fn version(&self, number: u64) -> Option<&VersionParams> {
        self.versions.iter().find(|version| version.version == number)
    }
}
