//! The whole truth about a file, for the person who wrote it.

use super::{
    Cap,
    fault::ParamsError,
    parse::{Placed, Read, read},
};

/// One thing to know about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands, from 1.
    pub line: usize,
    /// What it is.
    pub what: Problem,
    /// What to do about it.
    pub advice: &'static str,
}

/// A fault or a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No node will take the file.
    Error(ParamsError),
    /// Every node takes it, and it is probably not what was meant.
    Note(String),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, what, advice } = self;
        match what {
            Problem::Error(error) => write!(f, "line {line}: {error} ({advice})"),
            Problem::Note(note) => write!(f, "line {line}: note: {note} ({advice})"),
        }
    }
}

/// Everything that is wrong or odd, by line. Without a [`Problem::Error`] the file is valid.
pub fn check(text: &str) -> Vec<Finding> {
    let Read { versions, faults, unknown, .. } = read(text);
    let mut findings: Vec<Finding> = faults.into_iter().map(error).collect();
    findings.extend(unknown.into_iter().map(|(line, version, name)| Finding {
        line,
        what: Problem::Note(format!("version {version} has a field {name}, which nobody reads")),
        advice: "check its spelling, or remove it",
    }));
    for (index, placed) in versions.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| versions.get(before));
        findings.extend(notes(placed, before));
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

fn error((line, error): (usize, ParamsError)) -> Finding {
    let advice = error.advice();
    Finding { line, what: Problem::Error(error), advice }
}

/// What no rule forbids.
fn notes(placed: &Placed, before: Option<&Placed>) -> Vec<Finding> {
    let Placed { params, line } = placed;
    let mut notes = Vec::new();
    let mut note = |text: &str, advice| {
        let what = Problem::Note(format!("version {}: {text}", params.version));
        notes.push(Finding { line: *line, what, advice });
    };
    if before.is_none() && params.version != 0 {
        note("the first version is not number 0", "number versions from 0");
    }
    if let Cap::Height(height) = params.cap
        && height < params.activation_height
    {
        note(
            "cap_height is below activation_height, so every stake is overflow",
            "raise cap_height",
        );
    }
    if params.cap == Cap::Value(params.max_staking_amount) {
        note("one stake of the largest amount fills the cap", "raise staking_cap if not meant");
    }
    let Some(Placed { params: before, .. }) = before else { return notes };
    if let (Cap::Height(now), Cap::Height(then)) = (params.cap, before.cap)
        && now < then
    {
        note("cap_height is lower than the previous version's", "raise cap_height if not meant");
    }
    if params.tag != before.tag {
        note("another tag than the previous version's", "one network keeps one tag");
    }
    if params.confirmation_depth != before.confirmation_depth {
        note(
            "another confirmation_depth than the previous version's; other indexers take the first \
             version's for all",
            "keep one depth",
        );
    }
    notes
}
