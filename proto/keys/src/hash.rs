//! Domain-separated hashing: every hash that is signed or compared names what it is for.

use bitcoin::hashes::{Hash, HashEngine, sha256};
use trestle_wire::Hash32;

/// BIP-340 tagged hash of the parts, each behind its length as eight little-endian bytes.
pub fn tagged(tag: &str, parts: &[&[u8]]) -> Hash32 {
    let tag = sha256::Hash::hash(tag.as_bytes());
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    for part in parts {
        engine.input(&(part.len() as u64).to_le_bytes());
        engine.input(part);
    }
    Hash32(sha256::Hash::from_engine(engine).to_byte_array())
}
