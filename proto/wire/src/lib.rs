//! What peers say to each other: the envelope, the bodies it carries, the codec and its limits.
//!
//! Always holds: decoding reads the whole input, allocates in proportion to it whatever lengths it
//! claims, and accepts only the bytes that encoding the result would give back. Nothing here checks
//! signatures or membership; it only says whether bytes have the agreed form.
//!
//! `docs/wire.md` is the specification; the fixtures under `tests/` pin the bytes.

pub mod ack;
pub mod announce;
pub mod codec;
pub mod committee;
pub mod envelope;
pub mod hello;
pub mod message;
pub mod primitives;
pub mod staking;

pub use ack::{Ack, Refusal};
pub use codec::DecodeError;
pub use envelope::{Envelope, Header};
pub use message::Message;
pub use primitives::{BootId, Hash32, KeyRef, MessageId, Network, Peer, SessionId};
