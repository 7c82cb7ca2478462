//! Reads one table of a TOML file key by key, noting every problem and going on.
//!
//! Always holds: a getter that returns `None` for a key that is present has noted why; a key that
//! no getter asked for is noted by [`Section::finish`].

use std::{cell::RefCell, collections::BTreeSet, ops::RangeInclusive, str::FromStr};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::problem::{Problem, Sink};

type Value<'t> = Spanned<DeValue<'t>>;

/// One table, and which of its keys have been asked for.
pub(crate) struct Section<'t> {
    path: String,
    at: Option<usize>,
    table: Option<&'t DeTable<'t>>,
    asked: RefCell<BTreeSet<&'static str>>,
    sink: &'t Sink<'t>,
}

impl<'t> Section<'t> {
    pub(crate) fn root(table: &'t DeTable<'t>, sink: &'t Sink<'t>) -> Self {
        Self::new(String::new(), None, Some(table), sink)
    }

    fn new(
        path: String,
        at: Option<usize>,
        table: Option<&'t DeTable<'t>>,
        sink: &'t Sink<'t>,
    ) -> Self {
        Self { path, at, table, asked: RefCell::default(), sink }
    }

    /// Whether the table is in the file.
    pub(crate) const fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// Notes a problem with a key of this table.
    pub(crate) fn problem(&self, key: &str, what: impl Into<String>) {
        let at = self.table.and_then(|table| table.get(key)).map(|value| value.span().start);
        self.sink.add(at.or(self.at), &self.name(key), what);
    }

    /// Notes that a key must be there.
    pub(crate) fn missing(&self, key: &str, expected: &str) {
        self.problem(key, format!("missing: expected {expected}"));
    }

    /// The table under a key; an absent one has no keys.
    pub(crate) fn section(&self, key: &'static str) -> Section<'t> {
        let value = self.value(key);
        let table = value.and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                self.wrong(key, value, "a table");
            }
            table
        });
        Section::new(self.name(key), value.map(|value| value.span().start), table, self.sink)
    }

    /// The tables of an array of tables (`[[key]]`).
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'t>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value, &format!("tables, each under [[{}]]", self.name(key)));
            return Vec::new();
        };
        let section = |(place, value): (usize, &'t Value<'t>)| {
            let Some(table) = value.get_ref().as_table() else {
                self.wrong(key, value, "a table");
                return None;
            };
            let path = format!("{}[{}]", self.name(key), place + 1);
            Some(Section::new(path, Some(value.span().start), Some(table), self.sink))
        };
        array.iter().enumerate().filter_map(section).collect()
    }

    pub(crate) fn string(&self, key: &'static str, expected: &str) -> Option<String> {
        let value = self.value(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong(key, value, expected);
        }
        text.map(str::to_owned)
    }

    /// A string that parses as `T`.
    pub(crate) fn parsed<T: FromStr>(&self, key: &'static str, expected: &str) -> Option<T> {
        let text = self.string(key, expected)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(key, format!("expected {expected}, got {text:?}"));
        }
        parsed
    }

    pub(crate) fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(key, value, "true or false");
        }
        flag
    }

    /// A whole number in a range.
    pub(crate) fn number<T: TryFrom<u64>>(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong(key, value, &expected);
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number)).map(T::try_from);
        if let Some(Ok(number)) = number {
            return Some(number);
        }
        self.problem(key, format!("expected {expected}, got {}", integer.as_str()));
        None
    }

    /// Whether there is a list under this key with nothing in it.
    pub(crate) fn is_empty_list(&self, key: &'static str) -> bool {
        let array = self.value(key).and_then(|value| value.get_ref().as_array());
        array.is_some_and(|array| array.is_empty())
    }

    /// A list of strings, each parsed by `parse`; wrong entries are noted and left out.
    pub(crate) fn list<T>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        let Some(array) = value.get_ref().as_array() else {
            self.wrong(key, value, &format!("a list of {expected}"));
            return None;
        };
        let entry = |value: &Value<'t>| {
            let Some(text) = value.get_ref().as_str() else {
                self.wrong(key, value, &format!("a list of {expected}"));
                return None;
            };
            let parsed = parse(text);
            if parsed.is_none() {
                let what = format!("expected a list of {expected}, got {text:?} in it");
                self.sink.add(Some(value.span().start), &self.name(key), what);
            }
            parsed
        };
        Some(array.iter().filter_map(entry).collect())
    }

    /// Every key with its text, for a table whose keys are data; wrong values are noted and left
    /// out. Such a table is not to be finished.
    pub(crate) fn texts(&self, expected: &str) -> Vec<(&'t str, &'t str)> {
        let Some(table) = self.table else { return Vec::new() };
        let entry = |(key, value): (&'t Spanned<_>, &'t Value<'t>)| {
            let key: &'t std::borrow::Cow<'t, str> = key.get_ref();
            let text = value.get_ref().as_str();
            if text.is_none() {
                self.wrong(key, value, expected);
            }
            Some((key.as_ref(), text?))
        };
        table.iter().filter_map(entry).collect()
    }

    /// Notes a problem of another file that this table names.
    pub(crate) fn problem_of(&self, problem: Problem) {
        self.sink.take(problem);
    }

    /// Notes every key that nothing asked for.
    pub(crate) fn finish(&self) {
        let asked = self.asked.borrow();
        let Some(table) = self.table else { return };
        for key in table.keys() {
            if !asked.contains(key.get_ref().as_ref()) {
                let known = asked.iter().copied().collect::<Vec<_>>().join(", ");
                let what = format!("unknown key; known here: {known}");
                self.sink.add(Some(key.span().start), &self.name(key.get_ref()), what);
            }
        }
    }

    /// Whether the key is in the file, with whatever value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether a string stands under the key.
    pub(crate) fn is_string(&self, key: &str) -> bool {
        self.table.and_then(|table| table.get(key)).is_some_and(|value| value.get_ref().is_str())
    }

    fn value(&self, key: &'static str) -> Option<&'t Value<'t>> {
        self.asked.borrow_mut().insert(key);
        self.table?.get(key)
    }

    fn wrong(&self, key: &str, value: &Value<'t>, expected: &str) {
        let got = value.get_ref().type_str();
        let what = format!("expected {expected}, got a value of type {got}");
        self.sink.add(Some(value.span().start), &self.name(key), what);
    }

    fn name(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }
}
