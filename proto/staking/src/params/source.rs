//! JSON with places: fields whose text and line are known, so that a fault can be pointed at.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The text that all values are slices of.
pub(super) struct Source<'a> {
    text: &'a str,
    /// Where its lines begin, so that a place costs the same in a long file.
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// The line of a value in this text, from 1.
    pub(super) fn line(&self, value: &RawValue) -> usize {
        let offset = value.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        self.lines.partition_point(|start| *start <= offset).max(1)
    }
}

/// An object's fields in the order of the text, those given twice included.
#[derive(Default)]
pub(super) struct Object<'a>(pub(super) Vec<(String, &'a RawValue)>);

impl<'a> Object<'a> {
    /// The last field of this name, as most readers of JSON take it; a null counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| *value).filter(|value| value.get() != "null")
    }

    /// How often the name stands there.
    pub(super) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(known, _)| known == name).count()
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object in braces")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, &'de RawValue>()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// What stands there, short enough for a message.
pub(super) fn shown(text: &str) -> String {
    /// A line of a terminal has room for this beside the rest of a message.
    const MOST: usize = 40;
    let mut short: String = text.chars().take(MOST).map(visible).collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

fn visible(letter: char) -> char {
    if letter.is_control() { ' ' } else { letter }
}
