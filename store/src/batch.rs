//! What changes together.

/// Names a space. Constants of the crate that owns the data; part of the stored format.
pub type Space = &'static str;

/// One change or precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Writes a row, replacing what was there.
    Put(Space, Vec<u8>, Vec<u8>),
    /// Writes a row that must not exist.
    Insert(Space, Vec<u8>, Vec<u8>),
    /// Removes a row, if it is there.
    Delete(Space, Vec<u8>),
    /// The row must have exactly this value, or not exist.
    Expect(Space, Vec<u8>, Option<Vec<u8>>),
}

/// Operations that are applied in order, all or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The operations.
    pub ops: Vec<Op>,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Adds one operation.
    pub fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Adds all operations of another batch after these.
    pub fn append(&mut self, other: Self) {
        self.ops.extend(other.ops);
    }
}
