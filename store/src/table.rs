//! Typed access to a space: keys in an order-preserving form, values in bincode behind a version
//! byte.

use std::{cell::RefCell, marker::PhantomData};

use bincode::{Decode, Encode, config};

use crate::{At, Batch, Op, Row, Scan, Space, Store, StoreError};

/// Most memory that a thread keeps for encoding the next row.
const MAX_BUFFER: usize = 64 << 10;

/// Most memory that decoding one value may ask for: a damaged length must give an error, not take
/// all memory. Far above any value we write; larger things are blobs.
const MAX_DECODED: usize = 64 << 20;

/// A key whose bytes sort as the key does.
pub trait Key: Sized {
    /// The bytes.
    fn to_key(&self) -> Vec<u8>;
    /// The inverse of [`Self::to_key`].
    fn from_key(bytes: &[u8]) -> Option<Self>;
}

impl Key for Vec<u8> {
    fn to_key(&self) -> Vec<u8> {
        self.clone()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Key for String {
    fn to_key(&self) -> Vec<u8> {
        self.clone().into_bytes()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl<const N: usize> Key for [u8; N] {
    fn to_key(&self) -> Vec<u8> {
        self.to_vec()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl Key for u32 {
    fn to_key(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Key for u64 {
    fn to_key(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

/// A space with typed rows.
#[derive(Debug)]
pub struct Table<K, V> {
    space: Space,
    version: u8,
    types: PhantomData<fn(K) -> V>,
}

impl<K: Key, V: Encode + Decode<()>> Table<K, V> {
    /// A table over `space`, whose values are of format `version`.
    pub const fn new(space: Space, version: u8) -> Self {
        Self { space, version, types: PhantomData }
    }

    /// The row under a key.
    ///
    /// # Errors
    /// As [`Store::get`], and [`StoreError::Corrupt`] if the value is not of this version's form.
    pub async fn get(&self, store: &dyn Store, key: &K) -> Result<Option<V>, StoreError> {
        let bytes = store.get(self.space, &key.to_key()).await?;
        bytes.map(|bytes| self.decode(&bytes)).transpose()
    }

    /// The values under many keys, in their order.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_many(
        &self,
        store: &dyn Store,
        keys: &[K],
    ) -> Result<Vec<Option<V>>, StoreError> {
        let at: Vec<At> = keys.iter().map(|key| self.at(key)).collect();
        let values = store.get_many(&at).await?;
        let decoded = values.into_iter().map(|bytes| bytes.map(|b| self.decode(&b)).transpose());
        decoded.collect()
    }

    /// Where the row of a key is.
    pub fn at(&self, key: &K) -> At {
        (self.space, key.to_key())
    }

    /// A page of rows.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn scan(&self, store: &dyn Store, scan: Scan) -> Result<Vec<(K, V)>, StoreError> {
        let rows = store.scan(self.space, scan).await?;
        rows.into_iter().map(|row| self.row(row)).collect()
    }

    /// Every row, read page by page: a row changed meanwhile is seen as it was or as it is. For
    /// tables whose size is bounded by something other than traffic.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn all(&self, store: &dyn Store) -> Result<Vec<(K, V)>, StoreError> {
        const PAGE: u32 = 1_000;
        let mut rows = Vec::new();
        let mut after = None;
        loop {
            let scan = Scan { after: after.take(), limit: PAGE, ..Scan::default() };
            let page = store.scan(self.space, scan).await?;
            after = page.last().map(|(key, _)| key.clone());
            let full = page.len() == PAGE as usize;
            for row in page {
                rows.push(self.row(row)?);
            }
            if !full {
                return Ok(rows);
            }
        }
    }

    /// Adds a write of this row to a batch.
    pub fn put(&self, batch: &mut Batch, key: &K, value: &V) {
        batch.push(Op::Put(self.space, key.to_key(), self.encode(value)));
    }

    /// Adds a write of this row, which must be new, to a batch.
    pub fn insert(&self, batch: &mut Batch, key: &K, value: &V) {
        batch.push(Op::Insert(self.space, key.to_key(), self.encode(value)));
    }

    /// Adds the removal of a row to a batch.
    pub fn delete(&self, batch: &mut Batch, key: &K) {
        batch.push(Op::Delete(self.space, key.to_key()));
    }

    fn row(&self, (key, value): Row) -> Result<(K, V), StoreError> {
        let key = K::from_key(&key).ok_or_else(|| {
            StoreError::Corrupt(format!("{}: key {key:02x?} has another form", self.space))
        })?;
        Ok((key, self.decode(&value)?))
    }

    /// A row as it is stored.
    pub fn encode(&self, value: &V) -> Vec<u8> {
        // Rows wait for their commit, many of them: each gets the room that it takes, in one piece.
        thread_local!(static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
        BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            buffer.push(self.version);
            bincode::encode_into_std_write(value, &mut *buffer, config::standard())
                .expect("encoding our own types into memory cannot fail");
            let bytes = buffer.clone();
            buffer.shrink_to(MAX_BUFFER);
            bytes
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, StoreError> {
        let corrupt = |what: String| StoreError::Corrupt(format!("{}: {what}", self.space));
        let (version, body) = bytes.split_first().ok_or_else(|| corrupt("empty value".into()))?;
        if *version != self.version {
            return Err(corrupt(format!("format {version}, this node reads {}", self.version)));
        }
        let limits = config::standard().with_limit::<MAX_DECODED>();
        match bincode::decode_from_slice(body, limits) {
            Ok((value, read)) if read == body.len() => Ok(value),
            Ok(_) => Err(corrupt("bytes after the value".into())),
            Err(e) => Err(corrupt(e.to_string())),
        }
    }
}
