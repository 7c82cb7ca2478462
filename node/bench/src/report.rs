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
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
struct Row {
    area: &'static str,
    case: String,
    ours: f64,
    limit: Option<f64>,
    unit: &'static str,
    ratio: Option<f64>,
    better: Better,
    target: Option<f64>,
    /// Largest less smallest, over the median: of the ratio, or of ours where there is no limit.
    spread: f64,
    cores: usize,
    commit: String,
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

    /// Adds a figure; as JSON it is printed at once.
    pub(crate) fn add(
        &mut self,
        area: &'static str,
        case: impl Into<String>,
        unit: &'static str,
        measured: &Measured,
        target: Option<f64>,
    ) -> Result<()> {
        let row = Row {
            area,
            case: case.into(),
            ours: rounded(measured.ours),
            limit: measured.limit.map(rounded),
            unit,
            ratio: measured.ratio().map(rounded),
            better: Better::Lower,
            target,
            spread: rounded(measured.spread),
            cores: cores::count(),
            commit: self.commit.clone(),
        };
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

fn heading() -> String {
    let names = ["area", "case", "ours", "limit", "unit", "ratio", "target", "spread"];
    columns(names.map(str::to_owned))
}

fn line(row: &Row) -> String {
    let dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    columns([
        row.area.to_owned(),
        row.case.clone(),
        row.ours.to_string(),
        dash(row.limit),
        row.unit.to_owned(),
        dash(row.ratio),
        row.target.map_or_else(|| "-".to_owned(), |target| format!("<= {target}")),
        format!("{:.0}%", row.spread * 100.0),
    ])
}

fn columns([area, case, ours, limit, unit, ratio, target, spread]: [String; 8]) -> String {
    format!(
        "{area:<10} {case:<44} {ours:>9} {limit:>9} {unit:<8} {ratio:>6} {target:>8} {spread:>6}"
    )
}

/// Three digits after the point: more would be noise.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
