//! The envelope around every message: who it is for, which message it is, and the body's bytes.

use bincode::{Decode, Encode};

use crate::{
    codec::{self, DecodeError},
    message::Message,
    primitives::{BootId, MessageId, Network},
};

/// The version this node writes.
pub const VERSION: u16 = 1;
/// The oldest version this node reads.
pub const OLDEST: u16 = 1;

/// What the message handler checks before it looks at a body.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// Protocol version of the sender.
    pub version: u16,
    /// The Bitcoin network the sender serves.
    pub network: Network,
    /// The same id on every resend of a durable message.
    pub id: MessageId,
    /// The sender's boot.
    pub boot: BootId,
    /// Rises with every message of that boot to this receiver.
    pub counter: u64,
}

/// A header, and a body that is decoded only once the header is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Envelope {
    /// The checks before the body.
    pub header: Header,
    /// 0 node, 1 committee, 3 staking; 2 and 4 are kept for peg and bridge.
    pub application: u8,
    /// The kind of message within the application.
    pub kind: u16,
    /// The encoded body.
    pub body: Vec<u8>,
}

impl Envelope {
    /// Wraps a message.
    pub fn seal(header: Header, message: &Message) -> Self {
        let (application, kind) = message.kind();
        Self { header, application, kind, body: message.encode_body() }
    }

    /// The message inside.
    ///
    /// # Errors
    /// [`DecodeError`] for an unknown kind, a malformed body or a list over its limit.
    pub fn open(&self) -> Result<Message, DecodeError> {
        Message::decode_body(self.application, self.kind, &self.body)
    }

    /// The bytes sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// The envelope of received bytes.
    ///
    /// # Errors
    /// [`DecodeError`]; an unknown version is told apart from malformed bytes even where the rest
    /// of the envelope has changed since.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let version = version_of(bytes)?;
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(DecodeError::Version(version));
        }
        codec::decode(bytes)
    }
}

/// The version stands first in every version of the envelope.
fn version_of(bytes: &[u8]) -> Result<u16, DecodeError> {
    if bytes.len() > codec::MAX_ENVELOPE {
        return Err(DecodeError::TooLarge { got: bytes.len() });
    }
    bincode::decode_from_slice::<u16, _>(bytes, bincode::config::standard())
        .map(|(version, _)| version)
        .map_err(|e| DecodeError::Malformed(e.to_string()))
}
