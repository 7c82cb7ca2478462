//! What a peer's hello says about its parameters, compared with ours.

use std::collections::BTreeMap;

use trestle_wire::{Hash32, hello::Hello};

/// How a peer's parameters stand to ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelloState {
    /// No hello of this boot yet.
    Missing,
    /// The same parameters.
    Ok,
    /// The peer has none, or we have none: good for Kademlia and relaying only.
    WithoutParameters,
    /// Other parameters; the sections that differ, by name.
    Differs(Vec<String>),
}

impl HelloState {
    /// A fixed word for people and metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ok => "ok",
            Self::WithoutParameters => "without_parameters",
            Self::Differs(_) => "differs",
        }
    }
}

/// Compares.
pub fn compare(ours: &Hello, theirs: &Hello) -> HelloState {
    match (ours.parameters, theirs.parameters) {
        (Some(a), Some(b)) if a == b => HelloState::Ok,
        (Some(_), Some(_)) => HelloState::Differs(differing(ours, theirs)),
        (None, _) | (_, None) => HelloState::WithoutParameters,
    }
}

/// Names of the sections that only one side has or that have another hash. Never empty: where no
/// section tells, the whole does.
fn differing(ours: &Hello, theirs: &Hello) -> Vec<String> {
    let (a, b) = (by_name(ours), by_name(theirs));
    let mut names: Vec<String> = a
        .iter()
        .filter(|(name, hash)| b.get(*name) != Some(hash))
        .map(|(name, _)| printable(name))
        .chain(b.keys().filter(|name| !a.contains_key(*name)).map(|name| printable(name)))
        .collect();
    names.sort();
    if names.is_empty() {
        names.push("parameters".to_owned());
    }
    names
}

fn by_name(hello: &Hello) -> BTreeMap<&str, Hash32> {
    hello.sections.iter().map(|section| (section.name.as_str(), section.hash)).collect()
}

/// A stranger's text goes to our log and terminal: nothing but the letters that section names
/// have.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() || " ._-+/".contains(c) { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use trestle_wire::{
        Hash32,
        hello::{Hello, Section},
    };

    use super::{HelloState, compare};

    fn hello(parameters: Option<u8>, sections: &[(&str, u8)]) -> Hello {
        Hello {
            parameters: parameters.map(|n| Hash32([n; 32])),
            sections: sections
                .iter()
                .map(|(name, n)| Section { name: (*name).to_owned(), hash: Hash32([*n; 32]) })
                .collect(),
            roles: vec![],
            software: "test".to_owned(),
        }
    }

    #[test]
    fn hello__should_name_every_section_that_differs() {
        let ours = hello(Some(1), &[("network", 1), ("committee.main", 2), ("caps", 3)]);
        let theirs = hello(Some(2), &[("network", 1), ("committee.main", 9), ("other", 4)]);
        let names = ["caps", "committee.main", "other"].map(str::to_owned).to_vec();
        assert_eq!(compare(&ours, &theirs), HelloState::Differs(names));
    }

    #[test]
    fn hello__should_be_fine_with_equal_hashes_whatever_the_sections_say() {
        let (ours, theirs) = (hello(Some(1), &[]), hello(Some(1), &[("x", 1)]));
        assert_eq!(compare(&ours, &theirs), HelloState::Ok);
    }

    #[test]
    fn hello__should_set_a_peer_without_parameters_apart() {
        let (with, without) = (hello(Some(1), &[]), hello(None, &[]));
        assert_eq!(compare(&with, &without), HelloState::WithoutParameters);
        assert_eq!(compare(&without, &with), HelloState::WithoutParameters);
    }

    #[test]
    fn hello__should_keep_control_characters_of_a_stranger_out_of_the_log() {
        let ours = hello(Some(1), &[]);
        let theirs = hello(Some(2), &[("\u{1b}[2J\nok", 1)]);
        assert_eq!(compare(&ours, &theirs), HelloState::Differs(vec!["??2J?ok".to_owned()]));
    }
}
