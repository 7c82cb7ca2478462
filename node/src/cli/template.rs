//! Fills values into a commented config file, leaving everything else as it is.

use toml::Value;

/// A config file as lines.
pub(super) struct Template {
    lines: Vec<String>,
}

impl Template {
    pub(super) fn new(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect() }
    }

    /// Sets a key of a section (`""`: before all sections) to a text.
    pub(super) fn text(&mut self, section: &str, key: &str, value: &str) {
        self.set(section, key, &Value::from(value));
    }

    /// Sets a key of a section to a list of texts.
    pub(super) fn list(&mut self, section: &str, key: &str, values: &[String]) {
        self.set(section, key, &Value::from(values.to_vec()));
    }

    /// Sets a key of a section to true or false.
    pub(super) fn flag(&mut self, section: &str, key: &str, value: bool) {
        self.set(section, key, &Value::from(value));
    }

    /// Adds a section of another file at the end, with the comments before and in it.
    pub(super) fn take_section(&mut self, section: &str, other: &str) {
        let heading = format!("[{section}]");
        let lines: Vec<&str> = other.lines().collect();
        let at = lines.iter().position(|line| *line == heading);
        let at = at.expect("the templates have every section that is taken");
        let comments = lines[..at].iter().rev().take_while(|line| line.starts_with('#')).count();
        let heading_of_next = |line: &&str| line.starts_with('[');
        let end =
            lines[at + 1..].iter().position(heading_of_next).map_or(lines.len(), |n| at + 1 + n);
        // The comments right before the next heading are that section's.
        let of_next = lines[at..end].iter().rev().take_while(|line| line.starts_with('#')).count();
        let end = if end == lines.len() { end } else { end - of_next };
        let blank = lines[at..end].iter().rev().take_while(|line| line.is_empty()).count();
        let end = end - blank;
        self.lines.push(String::new());
        self.lines.extend(lines[at - comments..end].iter().map(|line| (*line).to_owned()));
    }

    pub(super) fn finish(self) -> String {
        self.lines.join("\n") + "\n"
    }

    fn set(&mut self, section: &str, key: &str, value: &Value) {
        let mut current = "";
        let assignment = format!("{key} = ");
        let found = self.lines.iter().position(|line| {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                current = name;
            }
            current == section && line.starts_with(&assignment)
        });
        // Templates are our own; a test sets every key that `node init` sets.
        let at = found.expect("the templates have every key that is set");
        self.lines[at] = format!("{assignment}{value}");
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn take_section__should_leave_the_next_ones_comments() {
        let mut template = Template::new("a = 1\n");

        let other = "# x\n[x]\nb = 2\n\n# far\n# c = 3\n\n# y\n[x.y]\nd = 4\n";
        template.take_section("x", other);
        template.take_section("x.y", other);

        let taken = "a = 1\n\n# x\n[x]\nb = 2\n\n# far\n# c = 3\n\n# y\n[x.y]\nd = 4\n";
        assert_eq!(template.finish(), taken);
    }

    #[test]
    fn set__should_touch_one_line_of_its_section() {
        let mut template = Template::new("a = 1\n[x]\n# why\na = 2\n[y]\na = 3\n");

        template.list("x", "a", &["q\"".to_owned()]);

        assert_eq!(template.finish(), "a = 1\n[x]\n# why\na = ['q\"']\n[y]\na = 3\n");
    }
}
