//! Reading one version's fields, each fault kept with the line of its field.

use bitcoin::{Amount, PublicKey};
use serde_json::value::RawValue;

use super::{
    Field, Tag,
    fault::Fault,
    source::{Object, Source, shown},
};

/// The largest amount that upstream can hold, and far above all bitcoins.
const MAX_AMOUNT: u64 = i64::MAX.unsigned_abs();

/// A version's fields, and what was wrong with them so far.
pub(super) struct Fields<'a> {
    source: &'a Source<'a>,
    object: Object<'a>,
    /// The line of the version itself, for fields that are absent.
    line: usize,
    /// With lines.
    pub(super) faults: Vec<(usize, Fault)>,
}

impl<'a> Fields<'a> {
    /// # Errors
    /// If the version is no object, and so has no fields.
    pub(super) fn new(source: &'a Source<'a>, version: &'a RawValue) -> Result<Self, Fault> {
        let object = serde_json::from_str(version.get())
            .map_err(|_| Fault::NotAnObject(shown(version.get())))?;
        let mut fields = Self { source, object, line: source.line(version), faults: Vec::new() };
        for field in Field::ALL {
            if fields.object.count(field.name()) > 1 {
                fields.fault(field, Fault::Twice(field));
            }
        }
        Ok(fields)
    }

    pub(super) fn fault(&mut self, field: Field, fault: Fault) {
        self.faults.push((self.line_of(field), fault));
    }

    pub(super) fn line_of(&self, field: Field) -> usize {
        self.object.get(field.name()).map_or(self.line, |value| self.source.line(value))
    }

    /// What the version calls itself, if that can be read.
    pub(super) fn own_number(&self) -> Option<u64> {
        self.object.get(Field::Version.name())?.get().parse().ok()
    }

    /// Names that no reader knows, with their lines.
    pub(super) fn unknown(&self) -> Vec<(usize, String)> {
        let known = |name: &str| Field::ALL.iter().any(|field| field.name() == name);
        let fields = self.object.0.iter().filter(|(name, _)| !known(name));
        fields.map(|(name, value)| (self.source.line(value), shown(name))).collect()
    }

    /// A number; 0 if absent, `None` after a fault.
    pub(super) fn number(&mut self, field: Field, most: u64) -> Option<u64> {
        let Some(value) = self.object.get(field.name()) else { return Some(0) };
        match number(field, value.get(), most) {
            Ok(number) => Some(number),
            Err(fault) => {
                self.fault(field, fault);
                None
            }
        }
    }

    /// A number of at least 1.
    pub(super) fn positive(&mut self, field: Field, most: u64) -> Option<u64> {
        let number = self.number(field, most)?;
        if number == 0 {
            self.fault(field, Fault::Zero(field));
            return None;
        }
        Some(number)
    }

    pub(super) fn amount(&mut self, field: Field) -> Option<Amount> {
        self.positive(field, MAX_AMOUNT).map(Amount::from_sat)
    }

    /// An amount of which 0 means that it is not set.
    pub(super) fn optional_amount(&mut self, field: Field) -> Option<Amount> {
        self.number(field, MAX_AMOUNT).map(Amount::from_sat)
    }

    pub(super) fn blocks(&mut self, field: Field) -> Option<u16> {
        let number = self.positive(field, u64::from(u16::MAX))?;
        u16::try_from(number).ok()
    }

    pub(super) fn tag(&mut self) -> Option<Tag> {
        let text = self.text(Field::Tag)?;
        let Ok(bytes) = hex::decode(&text) else {
            self.fault(Field::Tag, Fault::NotHex { field: Field::Tag, got: shown(&text) });
            return None;
        };
        match <[u8; 4]>::try_from(bytes.as_slice()) {
            Ok(tag) => Some(Tag(tag)),
            Err(_) => {
                self.fault(Field::Tag, Fault::TagLength(bytes.len()));
                None
            }
        }
    }

    /// All entries of the list of keys, each with its line and `None` after a fault in it; `None`
    /// instead of the list if it is none.
    pub(super) fn keys(&mut self) -> Option<Vec<(usize, Option<PublicKey>)>> {
        let Some(value) = self.object.get(Field::CovenantPks.name()) else {
            return Some(Vec::new());
        };
        let Ok(entries) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else {
            self.fault(Field::CovenantPks, Fault::NotAList(shown(value.get())));
            return None;
        };
        let mut keys = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let (line, key) = (self.source.line(entry), key(entry.get()));
            if key.is_none() {
                let fault = Fault::Key { place: index + 1, got: shown(entry.get()) };
                self.faults.push((line, fault));
            }
            keys.push((line, key));
        }
        Some(keys)
    }

    fn text(&mut self, field: Field) -> Option<String> {
        let Some(value) = self.object.get(field.name()) else { return Some(String::new()) };
        match serde_json::from_str(value.get()) {
            Ok(text) => Some(text),
            Err(_) => {
                self.fault(field, Fault::NotHex { field, got: shown(value.get()) });
                None
            }
        }
    }
}

/// 33 bytes, or 65 as upstream takes them too.
fn key(text: &str) -> Option<PublicKey> {
    let bytes = hex::decode(serde_json::from_str::<String>(text).ok()?).ok()?;
    let inner = bitcoin::secp256k1::PublicKey::from_slice(&bytes).ok()?;
    Some(PublicKey::new(inner))
}

fn number(field: Field, text: &str, most: u64) -> Result<u64, Fault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::NotANumber { field, got: shown(text) });
    }
    if digits.len() < text.len() {
        return Err(Fault::Negative { field, got: shown(text) });
    }
    match digits.parse::<u64>() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(Fault::TooLarge { field, most, got: shown(text) }),
    }
}
