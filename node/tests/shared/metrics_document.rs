//! What docs/metrics.md says, to be compared with what nodes export.

use std::collections::{BTreeMap, BTreeSet};

const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

/// The chapters on what only networks with staking have.
const STAKING: [&str; 5] = [
    "Staking",
    "Events for other programs (a coordinator with `[events]`)",
    "Staking API (a staking coordinator)",
    "Unbonding (a staking coordinator)",
    "A covenant member",
];

/// Metrics by name, each with its labels.
pub(crate) type Named = BTreeMap<String, BTreeSet<String>>;

/// The first cell of every row of a table, in the chapters of staking or in the others.
pub(crate) fn first_cells(staking: bool) -> impl Iterator<Item = &'static str> {
    let chapters = DOCUMENT.split("\n## ").filter(move |chapter| {
        STAKING.contains(&chapter.lines().next().unwrap_or_default()) == staking
    });
    let rows = chapters.flat_map(str::lines);
    rows.filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
}

/// What is between backticks.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Metrics as documented, `name` or `name{label,label}`, in the chapters of staking or in the others.
pub(crate) fn documented(staking: bool) -> Named {
    let ours = |text: &&str| !text.ends_with('…') && !text.contains(' ') && text.contains('_');
    let metric = |text: &str| {
        let (name, labels) = text.split_once('{').unwrap_or((text, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        (name.to_owned(), labels.map(str::to_owned).collect())
    };
    first_cells(staking).flat_map(quoted).filter(ours).map(metric).collect()
}

/// A sample's metric: histograms are known by their names without `_bucket`, `_sum` and `_count`.
pub(crate) fn metric(sample: &str, known: &Named) -> (String, BTreeSet<String>) {
    let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
    // No label's value has a comma or a brace.
    let labels =
        labels.trim_end_matches('}').split(',').filter_map(|label| label.split('=').next());
    let labels = labels.filter(|label| !label.is_empty() && *label != "le").map(str::to_owned);
    let parts =
        ["_bucket", "_sum", "_count"].into_iter().filter_map(|part| name.strip_suffix(part));
    let whole = parts.into_iter().find(|whole| known.contains_key(*whole));
    (whole.unwrap_or(name).to_owned(), labels.collect())
}
