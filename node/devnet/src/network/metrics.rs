//! What a node's `/metrics` says at one moment.

use std::collections::BTreeMap;

/// Samples by `name{label="value",…}`, as written by the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads the OpenMetrics text; lines that are no sample are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let sample = |line: &str| {
            // The value follows the last brace, or the name; a timestamp may follow it.
            let split = line.rfind('}').map_or_else(|| line.find(' '), |brace| Some(brace + 1))?;
            let (name, rest) = line.split_at(split);
            let value = rest.split_whitespace().next()?.parse().ok()?;
            Some((name.to_owned(), value))
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// One sample, by name and labels as the node writes them.
    #[must_use]
    pub fn get(&self, sample: &str) -> Option<f64> {
        self.0.get(sample).copied()
    }

    /// The sum over all labels of a metric; 0 where it has no sample.
    #[must_use]
    pub fn sum(&self, name: &str) -> f64 {
        self.with(name, "").values().sum()
    }

    /// The samples of a metric whose labels contain `part`, such as `outcome="done"`.
    #[must_use]
    pub fn with(&self, name: &str, part: &str) -> BTreeMap<&str, f64> {
        let wanted = |sample: &str| {
            let labels = sample.strip_prefix(name)?;
            ((labels.is_empty() || labels.starts_with('{')) && labels.contains(part)).then_some(())
        };
        self.0
            .iter()
            .filter(|(sample, _)| wanted(sample).is_some())
            .map(|(sample, value)| (sample.as_str(), *value))
            .collect()
    }

    /// All samples.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<String, f64> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::Metrics;

    const TEXT: &str = "\
# HELP trestle_x_total Things.\n\
trestle_x_total{kind=\"a b\"} 2\n\
trestle_x_total{kind=\"c\",who=\"}\"} 3.5 1700000000\n\
trestle_x_total_other 9\n\
trestle_up 1\n\
# EOF\n";

    #[test]
    fn metrics__should_read_samples_with_and_without_labels() {
        let metrics = Metrics::parse(TEXT);
        assert_eq!(metrics.get("trestle_up"), Some(1.0));
        assert_eq!(metrics.get("trestle_x_total{kind=\"a b\"}"), Some(2.0));
        assert_eq!(metrics.get("trestle_y"), None);
        assert_eq!(metrics.all().len(), 4);
    }

    #[test]
    fn sum__should_add_the_labels_of_that_metric_only() {
        let metrics = Metrics::parse(TEXT);
        assert_eq!(metrics.sum("trestle_x_total"), 5.5);
        assert_eq!(metrics.with("trestle_x_total", "kind=\"c\"").len(), 1);
        assert_eq!(metrics.sum("trestle_x"), 0.0);
    }
}
