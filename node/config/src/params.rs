//! The shared parameters: the file whose hash every node of a network must agree on.

use std::path::Path;

use toml::de::DeTable;
use trestle_keys::{Committee, Member, Params, Scheme};
use trestle_wire::{Network, Peer};

use super::{
    problem::{ConfigError, Sink},
    section::Section,
    staking::{self, SharedParams},
    values::Hex32,
};

pub(crate) const PEER: &str = "a peer id (12D3KooW…, from `trestle keys show`)";

/// Loads a parameters file. Committees and members may stand in any order; the result is sorted, so
/// that the same content has the same hash.
///
/// # Errors
/// Every problem of the file, and of the file of global parameters that it names.
pub fn load_params(file: &Path) -> Result<Params, ConfigError> {
    load_shared_params(file).map(|shared| shared.params)
}

/// The same, with what the file of global parameters says.
///
/// # Errors
/// As [`load_params`].
pub fn load_shared_params(file: &Path) -> Result<SharedParams, ConfigError> {
    parse_params(file, &super::read(file)?, staking::read_global)
}

/// Reads shared parameters from their text; `file` is for messages and relative paths, and `read`
/// gives the bytes of the file of global parameters.
///
/// # Errors
/// Every problem of the text, and of the file of global parameters.
pub fn parse_params(
    file: &Path,
    text: &str,
    read: impl FnOnce(&Path) -> Result<String, String>,
) -> Result<SharedParams, ConfigError> {
    let sink = Sink::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        sink.add(error.span().map(|span| span.start), "", error.message());
    }
    let root = Section::root(table.get_ref(), &sink);
    let shared = params(file, &root, read);
    root.finish();
    for problem in shared.iter().flat_map(|shared| shared.params.problems()) {
        sink.add(None, "", problem);
    }
    sink.finish(shared)
}

fn params(
    file: &Path,
    root: &Section<'_>,
    read: impl FnOnce(&Path) -> Result<String, String>,
) -> Option<SharedParams> {
    let network = network(root, true);
    let committees: Vec<_> = root.sections("committee").iter().map(committee).collect();
    let section = root.section("staking");
    if committees.is_empty() && !section.is_present() {
        root.missing("committee", "at least one [[committee]], or a [staking] section");
    }
    // Read before any failure ends this, so that its problems show too.
    let staking = section.is_present().then(|| staking::shared(file, &section, read));
    let mut committees = committees.into_iter().collect::<Option<Vec<_>>>()?;
    committees.sort_by(|a, b| a.name.cmp(&b.name));
    let (staking, global) = staking.map(|staking| staking.ok_or(())).transpose().ok()?.unzip();
    Some(SharedParams { params: Params { network: network?, committees, staking }, global })
}

pub(crate) fn network(section: &Section<'_>, required: bool) -> Option<Network> {
    const EXPECTED: &str = "\"mainnet\", \"testnet4\", \"signet\" or \"regtest\"";
    let network = section.parsed("network", EXPECTED);
    if network.is_none() && required && !section.has("network") {
        section.missing("network", EXPECTED);
    }
    network
}

fn committee(section: &Section<'_>) -> Option<Committee> {
    let name = required(section, "name", "a name of a-z, 0-9 and '-'", |key, expected| {
        section.string(key, expected)
    });
    let threshold = required(section, "threshold", "how many members sign", |key, _| {
        section.number::<u16>(key, 1..=128)
    });
    let scheme = required(section, "scheme", "\"frost\"", |key, expected| {
        let scheme = section.string(key, expected)?;
        if scheme != "frost" {
            section.problem(key, format!("expected {expected}, got {scheme:?}"));
        }
        (scheme == "frost").then_some(Scheme::Frost)
    });
    let coordinators =
        section.list("coordinators", PEER, |text| text.parse().ok()).unwrap_or_default();
    let members: Vec<_> = section.sections("member").iter().map(member).collect();
    section.finish();
    let mut members = members.into_iter().collect::<Option<Vec<Member>>>()?;
    members.sort_by_key(|member| member.index);
    Some(Committee { name: name?, scheme: scheme?, threshold: threshold?, members, coordinators })
}

fn member(section: &Section<'_>) -> Option<Member> {
    let index = required(section, "index", "its FROST identifier, from 1", |key, _| {
        section.number::<u16>(key, 1..=u64::from(u16::MAX))
    });
    let peer =
        required(section, "peer", PEER, |key, expected| section.parsed::<Peer>(key, expected));
    let key = required(
        section,
        "key",
        "its committee key: 64 hexadecimal digits, from `trestle keys show`",
        |key, expected| section.parsed::<Hex32>(key, expected),
    );
    section.finish();
    Some(Member { index: index?, peer: peer?, key: key?.0 })
}

// `get`, with a note when the key is not there at all.
pub(crate) fn required<T>(
    section: &Section<'_>,
    key: &'static str,
    expected: &str,
    get: impl Fn(&'static str, &str) -> Option<T>,
) -> Option<T> {
    let value = get(key, expected);
    if value.is_none() && !section.has(key) {
        section.missing(key, expected);
    }
    value
}
