//! The file of global parameters that a command goes by.

use std::path::{Path, PathBuf};

use bitcoin::Network;
use clap::Args;
use trestle_keys::taproot::bitcoin_network;
use trestle_staking::{
    GlobalParams, VersionParams,
    params::{Finding, Problem, check},
};

use super::api::Api;
use crate::{
    cli::{
        CliError, Exit,
        client::{NodeArgs, read_file},
    },
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

/// Global parameters, and the networks that the files beside them name.
pub(super) struct Rules {
    pub(super) all: GlobalParams,
    networks: Vec<(Network, PathBuf)>,
}

impl RulesArgs {
    pub(super) fn load(&self, node: &NodeArgs) -> Result<Rules, CliError> {
        let config = node.config_file().map(|file| Config::load(&file)).transpose()?;
        let of_config = config.as_ref().and_then(|config| config.params.clone());
        let file = self.params.as_ref().or(of_config.as_ref()).ok_or_else(nothing)?;
        let all = load(file)?;
        let mut networks = Vec::new();
        for file in self.params.iter().chain(&of_config) {
            networks.extend(network(file)?.map(|network| (network, file.clone())));
        }
        let own = config.and_then(|config| Some((bitcoin_network(config.network?), config.file)));
        networks.extend(own);
        Ok(Rules { all, networks })
    }
}

impl Rules {
    /// That they are those of the chain: on another one nobody knows what is locked under them.
    pub(super) fn fit(&self, chain: Network) -> Result<(), CliError> {
        match self.networks.iter().find(|(network, _)| *network != chain) {
            Some((network, file)) => {
                let what = format!("{} is for {network}, bitcoind is on {chain}", file.display());
                Err(CliError::new(Exit::Config, what)
                    .hint("give the parameters and the bitcoind of one network"))
            }
            None => Ok(()),
        }
    }
}

/// The network that a file of parameters names. Those of the network itself (JSON) name none.
fn network(file: &Path) -> Result<Option<Network>, CliError> {
    if !is_shared(file) {
        return Ok(None);
    }
    Ok(Some(bitcoin_network(config::load_shared_params(file)?.params.network)))
}

fn is_shared(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "toml")
}

fn nothing() -> CliError {
    CliError::usage("which parameters? Give --params FILE, the network's global parameters")
}

/// The parameters of a file of either kind.
pub(super) fn load(file: &Path) -> Result<GlobalParams, CliError> {
    if is_shared(file) {
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
    let as_config = |error: CliError| CliError { exit: Exit::Config, ..error };
    let bytes = read_file(file, MAX).map_err(as_config)?;
    String::from_utf8(bytes)
        .map_err(|_| CliError::new(Exit::Config, format!("{} is not text", file.display())))
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

/// That a coordinator goes by the same rules for the next block: a stake under others is nothing to
/// it, and nobody co-signs its early end. What it says otherwise of the blocks behind is a warning.
pub(super) async fn compare(
    api: &Api,
    own: &GlobalParams,
    next: u32,
) -> Result<Option<String>, CliError> {
    let theirs: serde_json::Value = api.get("/v1/global-params", &[]).await?.data;
    let theirs = GlobalParams::parse(&theirs.to_string()).map_err(|error| {
        CliError::failed(format!("the coordinator's global parameters cannot be read: {error}"))
    })?;
    differ(own, &theirs, next)
}

fn differ(
    own: &GlobalParams,
    theirs: &GlobalParams,
    next: u32,
) -> Result<Option<String>, CliError> {
    let here = own.params_at(next);
    if here != theirs.params_at(next) {
        let number = |params: &GlobalParams| {
            let version = params.params_at(next).map(|params| params.version.to_string());
            version.unwrap_or_else(|| "none".into())
        };
        let what = format!(
            "the coordinator has other parameters for block {next} than the file (version {}, in \
             the file {}): it may not know the stake, and then nobody could unbond it",
            number(theirs),
            number(own)
        );
        return Err(CliError::new(Exit::Config, what).hint(
            "give --params the network's current file, or --api a coordinator of the network",
        ));
    }
    if own == theirs {
        return Ok(None);
    }
    let depth = here.map_or(0, |params| params.confirmation_depth.into());
    let soon = (next..=next.saturating_add(depth))
        .find(|height| own.params_at(*height) != theirs.params_at(*height));
    Ok(Some(match soon {
        Some(height) => format!(
            "the coordinator has other parameters than the file from height {height} on: in a \
             block from there on it may not know the stake, and then nobody could unbond it"
        ),
        None => "the coordinator's parameters are not those of the file, though the same for the \
                 next block: is the file the network's current one?"
            .into(),
    }))
}

/// The rules for a stake that is included in the block of this height.
pub(super) fn at(params: &GlobalParams, height: u32) -> Result<&VersionParams, CliError> {
    params.params_at(height).ok_or_else(|| {
        let first = params.versions()[0].activation_height;
        let what = format!("staking begins at height {first}, the next block has height {height}");
        CliError::failed(what).hint("a stake before that is nobody's: wait for the height")
    })
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    /// Version 0 from height 110, version 1 from 500.
    fn text() -> String {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/global-params.regtest.json");
        std::fs::read_to_string(file).expect("an example file")
    }

    fn parsed(text: &str) -> GlobalParams {
        GlobalParams::parse(text).expect("valid parameters")
    }

    /// The file before the second version was appended.
    fn stale() -> GlobalParams {
        let mut file: serde_json::Value = serde_json::from_str(&text()).expect("JSON");
        file["versions"].as_array_mut().expect("a list").truncate(1);
        parsed(&file.to_string())
    }

    #[test]
    fn stale_file__should_be_refused_once_its_successor_is_in_force() {
        let (own, current) = (stale(), parsed(&text()));

        assert_eq!(differ(&current, &current, 600), Ok(None));
        let far = differ(&own, &current, 200).expect("the same rules").expect("one more version");
        assert!(far.contains("current one"), "{far}");
        let soon = differ(&own, &current, 499).expect("the same rules").expect("not for long");
        assert!(soon.contains("from height 500 on"), "{soon}");
        let refused = differ(&own, &current, 500).expect_err("other rules");
        assert_eq!(refused.exit, Exit::Config);
        assert!(refused.body.message.contains("(version 1, in the file 0)"), "{refused:?}");
        differ(&own, &current, 10_000).expect_err("other rules");
    }

    #[test]
    fn file_of_another_network__should_be_refused() {
        let other = text().replacen("\"unbonding_fee\": ", "\"unbonding_fee\": 1", 1);
        assert_ne!(other, text());

        differ(&parsed(&other), &parsed(&text()), 200).expect_err("another fee");
    }

    #[test]
    fn parameters__should_be_the_same_after_a_way_through_the_api() {
        let own = parsed(&text());
        let told = serde_json::to_value(&own).expect("plain data").to_string();

        assert_eq!(parsed(&told), own);
    }
}
