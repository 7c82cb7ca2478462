//! What is printed: a table for people, or one JSON object a line.

use std::io::{self, Write as _};

use eyre::Result;
use serde::Serialize;

use crate::{cores, runs::Measured};

/// Which way a figure should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Lower,
    Higher,
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
struct Row {
    area: &'static str,
    case: String,
    /// Absent in a row that was skipped.
    ours: Option<f64>,
    limit: Option<f64>,
    unit: &'static str,
    ratio: Option<f64>,
    better: Better,
    target: Option<f64>,
    /// Largest less smallest, over the median: of the ratio, or of ours where there is no limit.
    spread: f64,
    cores: usize,
    commit: String,
    /// Why nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'static str>,
}

/// Collects the rows of a run.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    commit: String,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) const fn new(json: bool, commit: String) -> Self {
        Self { json, commit, rows: Vec::new() }
    }

    /// Adds a figure of which less is better; as JSON it is printed at once.
    pub(crate) fn add(
        &mut self,
        area: &'static str,
        case: impl Into<String>,
        unit: &'static str,
        measured: &Measured,
        target: Option<f64>,
    ) -> Result<()> {
        let row = self.row(area, case.into(), unit, Better::Lower, target);
        self.push(row.of(measured))
    }

    /// Adds a figure of which more is better: the target is the least ratio.
    pub(crate) fn add_rate(
        &mut self,
        area: &'static str,
        case: impl Into<String>,
        unit: &'static str,
        measured: &Measured,
        target: Option<f64>,
    ) -> Result<()> {
        let row = self.row(area, case.into(), unit, Better::Higher, target);
        self.push(row.of(measured))
    }

    /// Says that a figure could not be measured.
    pub(crate) fn skip(
        &mut self,
        area: &'static str,
        case: impl Into<String>,
        unit: &'static str,
        target: Option<f64>,
        why: &'static str,
    ) -> Result<()> {
        let row = self.row(area, case.into(), unit, Better::Lower, target);
        self.push(Row { skipped: Some(why), ..row })
    }

    fn row(
        &self,
        area: &'static str,
        case: String,
        unit: &'static str,
        better: Better,
        target: Option<f64>,
    ) -> Row {
        Row {
            area,
            case,
            ours: None,
            limit: None,
            unit,
            ratio: None,
            better,
            target,
            spread: 0.0,
            cores: cores::count(),
            commit: self.commit.clone(),
            skipped: None,
        }
    }

    fn push(&mut self, row: Row) -> Result<()> {
        crate::say(&line(&row));
        if self.json {
            writeln!(io::stdout(), "{}", serde_json::to_string(&row)?)?;
        }
        self.rows.push(row);
        Ok(())
    }

    /// Prints the table.
    pub(crate) fn finish(&self) -> Result<()> {
        if self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        writeln!(out, "{}", heading())?;
        for row in &self.rows {
            writeln!(out, "{}", line(row))?;
        }
        writeln!(out, "{} cores, commit {}", cores::count(), self.commit)?;
        Ok(())
    }
}

impl Row {
    fn of(self, measured: &Measured) -> Self {
        Self {
            ours: Some(rounded(measured.ours)),
            limit: measured.limit.map(rounded),
            ratio: measured.ratio().map(rounded),
            spread: rounded(measured.spread),
            ..self
        }
    }
}

fn heading() -> String {
    let names = ["area", "case", "ours", "limit", "unit", "ratio", "target", "spread"];
    columns(names.map(str::to_owned))
}

fn line(row: &Row) -> String {
    let dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let sign = match row.better {
        Better::Lower => "<=",
        Better::Higher => ">=",
    };
    let spread = format!("{:.0}%", row.spread * 100.0);
    let line = columns([
        row.area.to_owned(),
        row.case.clone(),
        dash(row.ours),
        dash(row.limit),
        row.unit.to_owned(),
        dash(row.ratio),
        row.target.map_or_else(|| "-".to_owned(), |target| format!("{sign} {target}")),
        if row.ours.is_some() { spread } else { "-".to_owned() },
    ]);
    match row.skipped {
        Some(why) => format!("{line}  skipped: {why}"),
        None => line,
    }
}

fn columns([area, case, ours, limit, unit, ratio, target, spread]: [String; 8]) -> String {
    format!(
        "{area:<10} {case:<64} {ours:>9} {limit:>9} {unit:<8} {ratio:>6} {target:>8} {spread:>6}"
    )
}

/// Three digits after the point: more would be noise.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
