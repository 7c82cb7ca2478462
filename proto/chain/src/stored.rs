//! Bitcoin's own types inside rows, states and effects that are stored with bincode.
//!
//! Always holds: the bytes are Bitcoin's consensus encoding behind a length, so that they do not
//! change with a Rust type's layout, and decoding consumes all of them.

use std::ops::Deref;

use bincode::{
    BorrowDecode, Decode, Encode,
    de::{BorrowDecoder, Decoder},
    enc::Encoder,
    error::{DecodeError, EncodeError},
};
use bitcoin::consensus::{Decodable, Encodable, deserialize, serialize};

/// A value that bincode writes in Bitcoin's consensus encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stored<T>(pub T);

impl<T> Deref for Stored<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Stored<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Encodable> Encode for Stored<T> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        serialize(&self.0).encode(encoder)
    }
}

impl<C, T: Decodable> Decode<C> for Stored<T> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        from_bytes(&Vec::<u8>::decode(decoder)?)
    }
}

impl<'de, C, T: Decodable> BorrowDecode<'de, C> for Stored<T> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        from_bytes(&Vec::<u8>::borrow_decode(decoder)?)
    }
}

fn from_bytes<T: Decodable>(bytes: &[u8]) -> Result<Stored<T>, DecodeError> {
    deserialize(bytes).map(Stored).map_err(|e| DecodeError::OtherString(e.to_string()))
}
