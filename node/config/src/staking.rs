//! `[staking]` of the shared parameters, and the file of global parameters that it names.
//!
//! Always holds: the hash in [`StakingParams`] is that of the text in [`GlobalFile`]; every key
//! under `[staking.members]` is a covenant key of some version.

use std::{
    collections::BTreeSet,
    io::Read as _,
    path::{Path, PathBuf},
};

use bitcoin::hashes::{Hash as _, sha256};
use trestle_keys::{CovenantMember, Params, StakingParams};
use trestle_staking::{
    GlobalParams,
    params::{Problem as Kind, check},
};
use trestle_wire::{Hash32, Peer};

use super::{
    params::{PEER, required},
    problem::Problem,
    section::Section,
};

/// Largest file of global parameters read; real ones have a few kilobytes.
const MAX_GLOBAL: u64 = 4 << 20;

/// The shared parameters, and what the files that they name say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedParams {
    /// What peers compare.
    pub params: Params,
    /// The file of global parameters; there exactly if `params.staking` is.
    pub global: Option<GlobalFile>,
}

/// The file of global parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its content, byte for byte.
    pub text: String,
    /// What it says.
    pub params: GlobalParams,
}

impl GlobalFile {
    /// The covenant keys of all versions, each once, in order.
    pub fn covenant_keys(&self) -> BTreeSet<[u8; 33]> {
        let versions = self.params.versions().iter();
        versions.flat_map(|v| v.covenant_pks.iter().map(|key| key.inner.serialize())).collect()
    }

    /// The covenant keys that no peer of the parameters holds.
    pub fn foreign_keys(&self, staking: &StakingParams) -> Vec<[u8; 33]> {
        let keys = self.covenant_keys();
        keys.into_iter().filter(|key| staking.holder(key).is_none()).collect()
    }
}

/// Reads a file of global parameters from disk.
pub(crate) fn read_global(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MAX_GLOBAL + 1).read_to_string(&mut text));
    let size = read.map_err(|e| {
        format!("cannot be read: {e}; staking.global_params in the shared parameters names it")
    })?;
    if size as u64 > MAX_GLOBAL {
        return Err(format!("larger than {MAX_GLOBAL} bytes"));
    }
    Ok(text)
}

/// `[staking]`, with the file that it names.
pub(crate) fn shared(
    file: &Path,
    section: &Section<'_>,
    read: impl FnOnce(&Path) -> Result<String, String>,
) -> Option<(StakingParams, GlobalFile)> {
    const FILE: &str = "the path of the file of global parameters, beside this file";
    let coordinators = section.list("coordinators", PEER, |text| text.parse::<Peer>().ok());
    if coordinators.is_none() && !section.has("coordinators") {
        section.missing("coordinators", "a list of the peers that may ask for signatures");
    }
    let name =
        required(section, "global_params", FILE, |key, expected| section.string(key, expected));
    let members = members(&section.section("members"));
    section.finish();
    let folder = file.parent().unwrap_or(Path::new(""));
    let global = global(section, folder.join(name?), read)?;
    let known = global.covenant_keys();
    for CovenantMember { key, .. } in members.iter().filter(|m| !known.contains(&m.key)) {
        let what = format!(
            "{} is no covenant key of any version in {}: copy the 66 digits from covenant_pks there",
            hex::encode(key),
            global.path.display()
        );
        section.section("members").problem(&hex::encode(key), what);
    }
    let mut coordinators = coordinators?;
    coordinators.sort_unstable();
    let hash = Hash32(sha256::Hash::hash(global.text.as_bytes()).to_byte_array());
    Some((StakingParams { global: hash, members, coordinators }, global))
}

/// `[staking.members]`: covenant key = peer, in order of key.
fn members(section: &Section<'_>) -> Vec<CovenantMember> {
    let mut members: Vec<CovenantMember> = Vec::new();
    for (key, peer) in section.texts(PEER) {
        let bytes = hex::decode(key).ok().and_then(|bytes| <[u8; 33]>::try_from(bytes).ok());
        if bytes.is_none() {
            let what = "expected a covenant key as in the global parameters: 66 hexadecimal digits";
            section.problem(key, what);
        }
        let parsed = peer.parse().ok();
        if parsed.is_none() {
            section.problem(key, format!("expected {PEER}, got {peer:?}"));
        }
        if let (Some(key), Some(peer)) = (bytes, parsed) {
            members.push(CovenantMember { key, peer });
        }
    }
    members.sort_unstable();
    members
}

fn global(
    section: &Section<'_>,
    path: PathBuf,
    read: impl FnOnce(&Path) -> Result<String, String>,
) -> Option<GlobalFile> {
    let problem = |line, what| {
        let file = path.display().to_string();
        section.problem_of(Problem { file, line, key: String::new(), what });
    };
    let text = read(&path).map_err(|what| problem(None, what)).ok()?;
    if let Ok(params) = GlobalParams::parse(&text) {
        return Some(GlobalFile { path, text, params });
    }
    for finding in check(&text) {
        if let Kind::Error(error) = finding.what {
            problem(Some(finding.line), format!("{error} ({})", finding.advice));
        }
    }
    None
}
