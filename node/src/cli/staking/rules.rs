//! The file of global parameters that a command goes by.

use std::path::{Path, PathBuf};

use clap::Args;
use trestle_staking::{
    GlobalParams, VersionParams,
    params::{Finding, Problem, check},
};

use crate::{
    cli::{CliError, Exit, client::NodeArgs},
    config::{self, Config},
};

/// Largest file read, as the parser's own limit.
const MAX: usize = 4 << 20;

/// Which global parameters.
#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    /// The network's file of global parameters (JSON), or a file of shared parameters (TOML) that
    /// names it. Without it the node's config says. An API is not asked: who chooses the covenant's
    /// keys decides about the money.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
}

impl RulesArgs {
    pub(super) fn load(&self, node: &NodeArgs) -> Result<GlobalParams, CliError> {
        let file = match (&self.params, node.config_file()) {
            (Some(file), _) => file.clone(),
            (None, Some(config)) => Config::load(&config)?.params.ok_or_else(nothing)?,
            (None, None) => return Err(nothing()),
        };
        load(&file)
    }
}

fn nothing() -> CliError {
    CliError::usage("which parameters? Give --params FILE, the network's global parameters")
}

/// The parameters of a file of either kind.
pub(super) fn load(file: &Path) -> Result<GlobalParams, CliError> {
    if file.extension().is_some_and(|extension| extension == "toml") {
        let shared = config::load_shared_params(file)?;
        return shared.global.map(|global| global.params).ok_or_else(|| {
            let what = format!("{} has no [staking] section", file.display());
            CliError::new(Exit::Config, what).hint("give the network's global parameters (JSON)")
        });
    }
    let text = read(file)?;
    GlobalParams::parse(&text).map_err(|_| refused(file, &check(&text)))
}

/// The text of a file of global parameters.
pub(super) fn read(file: &Path) -> Result<String, CliError> {
    let wrong = |what: String| CliError::new(Exit::Config, format!("{}: {what}", file.display()));
    let size = std::fs::metadata(file).map_err(|e| wrong(e.to_string()))?.len();
    if usize::try_from(size).map_or(true, |size| size > MAX) {
        return Err(wrong(format!("{size} bytes, at most {MAX} are read")));
    }
    std::fs::read_to_string(file).map_err(|e| wrong(format!("cannot be read: {e}")))
}

/// All that is wrong with a file, a line each.
pub(super) fn refused(file: &Path, findings: &[Finding]) -> CliError {
    let errors: Vec<_> = findings.iter().filter(|f| matches!(f.what, Problem::Error(_))).collect();
    let lines: String = errors.iter().map(|finding| format!("\n  {finding}")).collect();
    let what = match errors.len() {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    };
    CliError::new(Exit::Config, format!("{}: {what}:{lines}", file.display()))
}

/// The rules for a stake that is included in the block of this height.
pub(super) fn at(params: &GlobalParams, height: u32) -> Result<&VersionParams, CliError> {
    params.params_at(height).ok_or_else(|| {
        let first = params.versions()[0].activation_height;
        let what = format!("staking begins at height {first}, the next block has height {height}");
        CliError::failed(what).hint("a stake before that is nobody's: wait for the height")
    })
}
