//! What is wrong with a config file. All problems of a file are found before any is shown.

use std::{cell::RefCell, fmt, path::Path};

/// One thing that is wrong: where, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Line in the file, from 1, where one line is to blame.
    pub line: Option<usize>,
    /// The key with its section, for example `p2p.listen`; empty for the file as a whole.
    pub key: String,
    /// What was expected, what is there, what to do.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Every problem of a config, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// In order of the file.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// A single problem with a whole file.
    pub fn file(file: &Path, what: impl Into<String>) -> Self {
        let file = file.display().to_string();
        Self { problems: vec![Problem { file, line: None, key: String::new(), what: what.into() }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => only.fmt(f),
            many => {
                write!(f, "{} problems in the config:", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// Collects the problems of one file.
pub(crate) struct Sink<'t> {
    file: String,
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Sink<'t> {
    pub(crate) fn new(file: &Path, text: &'t str) -> Self {
        Self { file: file.display().to_string(), text, problems: RefCell::default() }
    }

    /// Adds a problem at a byte offset of the text, or with the file as a whole.
    pub(crate) fn add(&self, at: Option<usize>, key: &str, what: impl Into<String>) {
        let line = at.map(|at| {
            let before = self.text.get(..at).unwrap_or(self.text);
            before.bytes().filter(|byte| *byte == b'\n').count() + 1
        });
        let problem =
            Problem { file: self.file.clone(), line, key: key.to_owned(), what: what.into() };
        self.problems.borrow_mut().push(problem);
    }

    /// Adds a problem of another file.
    pub(crate) fn take(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// `value` if nothing was wrong.
    ///
    /// # Errors
    /// All problems, in order of the file, when there is any.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        let mut problems = self.problems.into_inner();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ => {
                // Those of other files, which this one names, come last.
                problems.sort_by_key(|problem| {
                    (problem.file != self.file, problem.line.unwrap_or(usize::MAX))
                });
                Err(ConfigError { problems })
            }
        }
    }
}
