//! Which rows a page has, and the range of keys that this means.

/// Which rows a scan returns, in order of their keys as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Only keys that begin with these bytes.
    pub prefix: Vec<u8>,
    /// Only keys after this one in scan order (exclusive): the last key of the page before.
    pub after: Option<Vec<u8>>,
    /// Largest key first.
    pub reverse: bool,
    /// At most this many rows; 0, the default, is none.
    pub limit: u32,
}

/// The keys from `from` (inclusive) up to `to` (exclusive; `None` has no end). Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The smallest key that may be in the page.
    pub from: Vec<u8>,
    /// The smallest key above the page.
    pub to: Option<Vec<u8>>,
}

impl Scan {
    /// The keys that this scan may return, or `None` if there can be none.
    #[must_use]
    pub fn range(&self) -> Option<KeyRange> {
        let mut from = self.prefix.clone();
        let mut to = successor(&self.prefix);
        match (&self.after, self.reverse) {
            (Some(after), false) => {
                // The smallest key above `after` is `after` with a zero byte behind it.
                let next = [after.as_slice(), &[0]].concat();
                from = from.max(next);
            }
            (Some(after), true) => {
                to = Some(to.map_or_else(|| after.clone(), |to| to.min(after.clone())));
            }
            (None, _) => {}
        }
        let empty = self.limit == 0 || to.as_ref().is_some_and(|to| *to <= from);
        (!empty).then_some(KeyRange { from, to })
    }
}

/// The smallest key above all that begin with `prefix`; `None` if there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}
