//! Medians and spreads of interleaved runs.

/// One measured turn: ours, and its limit where there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) ours: f64,
    pub(crate) limit: Option<f64>,
}

impl Run {
    /// What runs are ordered by: the ratio, or ours where there is no limit.
    fn figure(&self) -> f64 {
        self.limit.map_or(self.ours, |limit| self.ours / limit)
    }
}

/// What came of all turns: the values of the median turn, so that `ours / limit` is the ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) ours: f64,
    pub(crate) limit: Option<f64>,
    /// Largest less smallest figure, over the median one.
    pub(crate) spread: f64,
}

impl Measured {
    /// The median of `runs`, the lower one of an even number; `None` without a run.
    pub(crate) fn of(mut runs: Vec<Run>) -> Option<Self> {
        runs.sort_by(|a, b| a.figure().total_cmp(&b.figure()));
        let median = *runs.get(runs.len().checked_sub(1)? / 2)?;
        let spread = match (runs.first(), runs.last()) {
            (Some(first), Some(last)) if median.figure() > 0.0 => {
                (last.figure() - first.figure()) / median.figure()
            }
            _ => 0.0,
        };
        Some(Self { ours: median.ours, limit: median.limit, spread })
    }

    /// A value that was taken once.
    pub(crate) const fn once(ours: f64) -> Self {
        Self { ours, limit: None, spread: 0.0 }
    }

    pub(crate) fn ratio(&self) -> Option<f64> {
        self.limit.map(|limit| self.ours / limit)
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::{Measured, Run};

    #[test]
    fn measured__should_be_the_turn_with_the_median_ratio() {
        let run = |ours, limit| Run { ours, limit: Some(limit) };
        let runs = vec![run(30.0, 10.0), run(10.0, 10.0), run(40.0, 20.0)];

        let measured = Measured::of(runs).expect("there are runs");

        assert_eq!((measured.ours, measured.limit), (40.0, Some(20.0)));
        assert_eq!(measured.ratio(), Some(2.0));
        assert_eq!(measured.spread, 1.0);
    }

    #[test]
    fn measured__should_compare_ours_where_there_is_no_limit() {
        let runs = [3.0, 1.0, 2.0].map(|ours| Run { ours, limit: None }).to_vec();

        let measured = Measured::of(runs).expect("there are runs");

        assert_eq!((measured.ours, measured.ratio(), measured.spread), (2.0, None, 1.0));
        assert_eq!(Measured::of(Vec::new()), None);
    }
}
