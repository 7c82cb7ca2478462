//! Sets keys in the text of a commented config file and leaves its comments where they are.
//!
//! Knows files in which each value stands on one line with its key, as all under `conf/` do.

#[derive(Debug)]
pub(super) struct Template {
    lines: Vec<String>,
}

impl Template {
    pub(super) fn new(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect() }
    }

    /// Sets `section.key`, or a `key` of no section, to a value in TOML: in place of its line,
    /// or of the comment that shows its default, or else at the section's start.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let (section, key) = name.rsplit_once('.').unwrap_or(("", name));
        let line = format!("{key} = {value}");
        let place = self.find(section, key).or_else(|| self.find(section, &format!("# {key}")));
        if let Some(place) = place {
            self.lines[place] = line;
            return;
        }
        let header = format!("[{section}]");
        let start = match self.lines.iter().position(|line| *line == header) {
            Some(place) => place + 1,
            None if section.is_empty() => 0,
            None => {
                self.lines.extend([String::new(), header]);
                self.lines.len()
            }
        };
        self.lines.insert(start, line);
    }

    /// Turns the line of a key into a comment.
    pub(super) fn unset(&mut self, name: &str) {
        let (section, key) = name.rsplit_once('.').unwrap_or(("", name));
        if let Some(place) = self.find(section, key) {
            self.lines[place].insert_str(0, "# ");
        }
    }

    pub(super) fn finish(self) -> String {
        self.lines.join("\n") + "\n"
    }

    fn find(&self, section: &str, start: &str) -> Option<usize> {
        let start = format!("{start} = ");
        let mut current = "";
        self.lines.iter().position(|line| {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                current = name;
            }
            current == section && line.starts_with(&start)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::Template;

    #[test]
    fn template__should_set_what_is_there_shown_or_missing() {
        let mut template = Template::new("# Top.\na = 1\n# b = 2\n\n[s]\n# why\na = 3\n# c = 4");
        for (name, value) in [("a", "10"), ("b", "20"), ("s.a", "30"), ("s.d", "40"), ("t.e", "50")]
        {
            template.set(name, value);
        }
        template.unset("s.a");
        assert_eq!(
            template.finish(),
            "# Top.\na = 10\nb = 20\n\n[s]\nd = 40\n# why\n# a = 30\n# c = 4\n\n[t]\ne = 50\n"
        );
    }
}
