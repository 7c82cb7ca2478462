//! Bytes in, values out, and back. bincode 2 with its standard configuration: little-endian,
//! variable-length integers, lengths before lists.

use bincode::{Decode, Encode, config};

/// The most bytes an envelope may have. A signing request for 1,000 messages and 34 signers, the
/// largest that this version sends, has about 2.3 MB.
pub const MAX_ENVELOPE: usize = 4 * 1024 * 1024;

type Limited = config::Configuration<
    config::LittleEndian,
    config::Varint,
    config::Limit<{ 2 * MAX_ENVELOPE }>,
>;

// bincode counts a claimed list length times the size of its elements in memory, before it
// allocates: twice the envelope leaves room for types that are larger in memory than on the wire.
const CONFIG: Limited = config::standard().with_limit::<{ 2 * MAX_ENVELOPE }>();

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
    /// A list or text that is longer than its field allows.
    #[error("{field} has {got} entries, at most {most} are allowed")]
    TooMany {
        /// The field, as `docs/wire.md` names it.
        field: &'static str,
        /// Entries that came.
        got: usize,
        /// Entries allowed.
        most: usize,
    },
}

/// The bytes of a value.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    bincode::encode_to_vec(value, CONFIG).expect("encoding our own types into memory cannot fail")
}

/// The value of bytes.
///
/// # Errors
/// [`DecodeError`] unless `bytes` is exactly what [`encode`] gives for the result.
pub fn decode<T: Encode + Decode<()>>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > MAX_ENVELOPE {
        return Err(DecodeError::TooLarge { got: bytes.len() });
    }
    let (value, read) = bincode::decode_from_slice::<T, _>(bytes, CONFIG)
        .map_err(|e| DecodeError::Malformed(e.to_string()))?;
    if read != bytes.len() {
        return Err(DecodeError::Trailing(bytes.len() - read));
    }
    if encode(&value) != bytes {
        return Err(DecodeError::NotCanonical);
    }
    Ok(value)
}

/// Refuses a list that is longer than its field allows.
pub(crate) fn at_most(field: &'static str, got: usize, most: usize) -> Result<(), DecodeError> {
    if got > most {
        return Err(DecodeError::TooMany { field, got, most });
    }
    Ok(())
}
