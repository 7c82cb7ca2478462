//! The shared parameters: the file whose hash every node of a network must agree on.

use std::path::Path;

use toml::de::DeTable;
use trestle_keys::{Committee, Member, Params, Scheme};
use trestle_wire::{Network, Peer};

use super::{
    problem::{ConfigError, Sink},
    section::Section,
    values::Hex32,
};

const PEER: &str = "a peer id (12D3KooW…, from `trestle keys show`)";

/// Loads a parameters file. Committees and members may stand in any order; the result is sorted, so
/// that the same content has the same hash.
///
/// # Errors
/// Every problem of the file.
pub fn load_params(file: &Path) -> Result<Params, ConfigError> {
    parse_params(file, &super::read(file)?)
}

/// Reads shared parameters from their text; `file` is for messages.
///
/// # Errors
/// Every problem of the text.
pub fn parse_params(file: &Path, text: &str) -> Result<Params, ConfigError> {
    let sink = Sink::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        sink.add(error.span().map(|span| span.start), "", error.message());
    }
    let root = Section::root(table.get_ref(), &sink);
    let params = params(&root);
    root.finish();
    for problem in params.iter().flat_map(Params::problems) {
        sink.add(None, "", problem);
    }
    sink.finish(params)
}

fn params(root: &Section<'_>) -> Option<Params> {
    let network = network(root, true);
    let committees: Vec<_> = root.sections("committee").iter().map(committee).collect();
    if committees.is_empty() {
        root.missing("committee", "at least one [[committee]]");
    }
    let mut committees = committees.into_iter().collect::<Option<Vec<_>>>()?;
    committees.sort_by(|a, b| a.name.cmp(&b.name));
    Some(Params { network: network?, committees })
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
fn required<T>(
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
