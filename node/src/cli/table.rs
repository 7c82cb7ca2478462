//! Aligned tables for people.

/// Rows under a heading, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: Vec<[String; N]>) -> String {
    let heading = heading.map(|word| word.to_uppercase());
    let mut widths = [0; N];
    for row in std::iter::once(&heading).chain(&rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    std::iter::once(&heading).chain(&rows).map(|row| line(row, &widths)).collect()
}

/// Names and values, one pair a line.
pub(super) fn pairs(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    pairs.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
    let line = padded.collect::<Vec<_>>().join("  ");
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn table__should_align_its_columns() {
        let rows = vec![["1".to_owned(), "x".to_owned()], ["1000".to_owned(), "y".to_owned()]];

        assert_eq!(table(["id", "name"], rows), "ID    NAME\n1     x\n1000  y\n");
    }
}
