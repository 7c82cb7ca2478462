//! Bytes in, values out, and back. bincode 2 with its standard configuration: little-endian,
//! variable-length integers, lengths before lists. Its derive numbers the variants of an enum by
//! their place in the source, whatever discriminant stands beside them: order is format.

use bincode::{Decode, Encode, config};

/// The most bytes an envelope may have. A signing request for 1,000 messages and 34 signers, the
/// largest that this version sends, has about 2.3 MB.
pub const MAX_ENVELOPE: usize = 4 * 1024 * 1024;

/// How much a decoder may claim, by the length of its input. bincode counts a list's claimed length
/// times the size of its elements in memory before it allocates; the element with the worst ratio
/// (a recipient: 32 bytes in memory, 2 on the wire) stays below these, so that no honest message is
/// refused and a short one cannot ask for much.
const SHORT: usize = 2 * 1024;
const SHORT_CLAIM: usize = 64 * 1024;
const LONG: usize = 32 * 1024;
const LONG_CLAIM: usize = 1024 * 1024;
const MOST_CLAIM: usize = 2 * MAX_ENVELOPE;

/// Why bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than any message may have.
    #[error("{got} bytes, at most {MAX_ENVELOPE} are allowed")]
    TooLarge {
        /// Bytes that came.
        got: usize,
    },
    /// Truncated, an unknown variant, a length that does not fit, text that is not UTF-8.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Bytes left over after the value.
    #[error("{0} bytes after the end of the message")]
    Trailing(usize),
    /// Another spelling of the same value, for example an integer with needless bytes.
    #[error("not in canonical form")]
    NotCanonical,
    /// An envelope of a version that this node does not speak.
    #[error("protocol version {got}, this node speaks {ours}", got = .0, ours = crate::envelope::VERSION)]
    Version(u16),
    /// An application and kind that this node does not know.
    #[error("unknown message kind {kind} of application {application}")]
    UnknownKind {
        /// The application named in the envelope.
        application: u8,
        /// The kind named in the envelope.
        kind: u16,
    },
    /// A body, list or text that is longer than its kind or field allows.
    #[error("{field}: {got} bytes or entries, at most {most} are allowed")]
    TooMany {
        /// The field, as `docs/wire.md` names it.
        field: &'static str,
        /// Entries that came.
        got: usize,
        /// Entries allowed.
        most: usize,
    },
}

/// The bytes of a value. Nothing is refused here: whoever sends checks the length against
/// [`MAX_ENVELOPE`].
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, config::standard())
        .expect("encoding our own types into memory cannot fail")
}

/// The value of bytes. Allocates in proportion to their number, whatever lengths they claim.
///
/// # Errors
/// [`DecodeError`] unless `bytes` is exactly what [`encode`] gives for the result.
pub fn decode<T: Encode + Decode<()>>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > MAX_ENVELOPE {
        return Err(DecodeError::TooLarge { got: bytes.len() });
    }
    let (value, read) = if bytes.len() <= SHORT {
        decode_within::<T, SHORT_CLAIM>(bytes)?
    } else if bytes.len() <= LONG {
        decode_within::<T, LONG_CLAIM>(bytes)?
    } else {
        decode_within::<T, MOST_CLAIM>(bytes)?
    };
    if read != bytes.len() {
        return Err(DecodeError::Trailing(bytes.len() - read));
    }
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

fn decode_within<T: Decode<()>, const CLAIM: usize>(
    bytes: &[u8],
) -> Result<(T, usize), DecodeError> {
    bincode::decode_from_slice(bytes, config::standard().with_limit::<CLAIM>())
        .map_err(|e| DecodeError::Malformed(e.to_string()))
}

/// Refuses a list that is longer than its field allows.
pub(crate) fn at_most(field: &'static str, got: usize, most: usize) -> Result<(), DecodeError> {
    if got > most {
        return Err(DecodeError::TooMany { field, got, most });
    }
    Ok(())
}
