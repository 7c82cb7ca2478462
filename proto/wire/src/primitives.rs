//! The small types every message is made of. All are plain bytes: curve points, scalars and
//! transactions are parsed by the crates that use them.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};

/// Protobuf header of an ed25519 public key inside an identity multihash, as libp2p writes it.
const PEER_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

macro_rules! bytes_newtype {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                let bytes = hex::decode(text).map_err(|_| ParseError::NotHex)?;
                let got = bytes.len();
                Ok(Self(bytes.try_into().map_err(|_| ParseError::Length { expected: $len, got })?))
            }
        }
    };
}

bytes_newtype!(
    /// A 32-byte hash.
    Hash32, 32
);
bytes_newtype!(
    /// Identifies one message of one sender; a durable message keeps its id across every resend.
    MessageId, 16
);
bytes_newtype!(
    /// Chosen at random each time a node starts: counters and nonces of another boot are void.
    BootId, 8
);
bytes_newtype!(
    /// Identifies one signing session of one coordinator.
    SessionId, 16
);

/// A peer: its ed25519 public key. Written as the usual base58 peer id (`12D3KooW…`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Peer(pub [u8; 32]);

impl Peer {
    /// The identity multihash libp2p uses as peer id, 38 bytes.
    pub fn to_multihash(self) -> [u8; 38] {
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&PEER_PREFIX);
        bytes[6..].copy_from_slice(&self.0);
        bytes
    }

    /// The inverse of [`Self::to_multihash`]; `None` for anything but an ed25519 peer id.
    pub fn from_multihash(bytes: &[u8]) -> Option<Self> {
        let key = bytes.strip_prefix(&PEER_PREFIX)?;
        Some(Self(key.try_into().ok()?))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.to_multihash()).into_string())
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({self})")
    }
}

impl FromStr for Peer {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bytes = bs58::decode(text).into_vec().map_err(|_| ParseError::NotBase58)?;
        Self::from_multihash(&bytes).ok_or(ParseError::NotAnEd25519Peer)
    }
}

/// The Bitcoin network a node serves. The numbers are on the wire and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Network {
    /// Mainnet.
    Bitcoin = 0,
    /// Testnet 4.
    Testnet4 = 1,
    /// Signet, the default one.
    Signet = 2,
    /// Regtest.
    Regtest = 3,
}

impl Network {
    /// The name used in config files, as `bitcoind -chain` has it where that has a name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bitcoin => "mainnet",
            Self::Testnet4 => "testnet4",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
        }
    }
}

impl FromStr for Network {
    type Err = ParseError;
    fn from_str(text: &str) -> Result<Self, ParseError> {
        [Self::Bitcoin, Self::Testnet4, Self::Signet, Self::Regtest]
            .into_iter()
            .find(|network| network.name() == text)
            .ok_or(ParseError::UnknownNetwork)
    }
}

/// One key of one committee: which committee, which generation of its key, which epoch of the
/// shares. A generation has a key of its own; an epoch re-deals the shares of the same key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct KeyRef {
    /// The committee's name in the shared parameters, at most 32 bytes.
    pub committee: String,
    /// Which key, from 1.
    pub generation: u32,
    /// Which sharing of that key, from 0.
    pub epoch: u32,
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.committee, self.generation, self.epoch)
    }
}

/// Why a text is not one of the types above.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Something else than pairs of hexadecimal digits.
    #[error("expected hexadecimal digits")]
    NotHex,
    /// Right alphabet, wrong length.
    #[error("expected {expected} bytes, got {got}")]
    Length {
        /// Bytes the type has.
        expected: usize,
        /// Bytes the text has.
        got: usize,
    },
    /// A peer id must be base58.
    #[error("expected a base58 peer id (12D3KooW…)")]
    NotBase58,
    /// A peer id of another key type.
    #[error("expected the peer id of an ed25519 key (12D3KooW…)")]
    NotAnEd25519Peer,
    /// Not one of the four networks.
    #[error("expected mainnet, testnet4, signet or regtest")]
    UnknownNetwork,
}
