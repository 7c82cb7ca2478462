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
    fn set__should_touch_one_line_of_its_section() {
        let mut template = Template::new("a = 1\n[x]\n# why\na = 2\n[y]\na = 3\n");

        template.list("x", "a", &["q\"".to_owned()]);

        assert_eq!(template.finish(), "a = 1\n[x]\n# why\na = ['q\"']\n[y]\na = 3\n");
    }
}
