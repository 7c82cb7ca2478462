//! The sealed file: a passphrase over some bytes.

use argon2::{Algorithm, Argon2, Params, Version};
use bincode::{Decode, Encode, config};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{Cost, CostPolicy};

/// The version of the layout that is written, and the only one read.
pub const VERSION: u16 = 1;
/// The most bytes a sealed file may have. A key file has about 240; the rest is for exports.
pub const MAX_SEALED: usize = 1024 * 1024;

const MAGIC: [u8; 8] = *b"TRESTLE\0";
const SALT: usize = 16;
const NONCE: usize = 24;
const HEADER: usize = MAGIC.len() + 2 + 3 * 4 + SALT + NONCE;
const TAG: usize = 16;

// Not `trestle_wire::codec`: that encodes again to compare, and would leave a copy of the secret.
const CONFIG: config::Configuration<
    config::LittleEndian,
    config::Varint,
    config::Limit<MAX_SEALED>,
> = config::standard().with_limit::<MAX_SEALED>();

/// What is encrypted.
#[derive(Encode, Decode)]
struct Content {
    purpose: String,
    secret: Vec<u8>,
}

/// Locks `secret` with a passphrase. `purpose` says what it is, and is asked for on opening, so that
/// a sealed secret of one kind is not taken for another.
pub fn seal(
    purpose: &str,
    secret: &[u8],
    passphrase: &[u8],
    cost: Cost,
    rng: &mut (impl CryptoRng + RngCore),
) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER);
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    let mut random = [0; SALT + NONCE];
    rng.fill_bytes(&mut random);
    file.extend_from_slice(&random);
    // Written out and encoded by reference: the fields of `Content`, without a copy of the secret.
    let content = bincode::encode_to_vec((purpose, secret), CONFIG).map(Zeroizing::new);
    let content = content.expect("encoding our own types into memory cannot fail");
    let (salt, nonce) = random.split_at(SALT);
    let sealed = cipher(passphrase, salt, cost)
        .encrypt(nonce.into(), Payload { msg: &content, aad: &file })
        .expect("the cipher takes 256 GiB, which does not fit in memory");
    file.extend_from_slice(&sealed);
    file
}

/// Unlocks what [`seal`] locked.
///
/// # Errors
/// [`OpenError`]; nothing of the content is given out then.
pub fn open(
    purpose: &str,
    file: &[u8],
    passphrase: &[u8],
    accept: CostPolicy,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let Parsed { cost, salt, nonce, header, sealed } = parse(file)?;
    cost.check(accept)?;
    let content = cipher(passphrase, salt, cost)
        .decrypt(nonce.into(), Payload { msg: sealed, aad: header })
        .map(Zeroizing::new)
        .map_err(|_| OpenError::WrongPassphraseOrAltered)?;
    let (Content { purpose: got, secret }, read) =
        bincode::decode_from_slice(&content, CONFIG).map_err(|_| OpenError::Content)?;
    let secret = Zeroizing::new(secret);
    if read != content.len() {
        return Err(OpenError::Content);
    }
    if got != purpose {
        return Err(OpenError::OtherPurpose { expected: purpose.to_owned(), got });
    }
    Ok(secret)
}

struct Parsed<'a> {
    cost: Cost,
    salt: &'a [u8],
    nonce: &'a [u8],
    header: &'a [u8],
    sealed: &'a [u8],
}

fn parse(file: &[u8]) -> Result<Parsed<'_>, OpenError> {
    let got = file.len();
    // A cut inside the magic is a cut, not another kind of file.
    if !file.is_empty() && MAGIC.starts_with(file) {
        return Err(OpenError::Truncated { got });
    }
    let rest = file.strip_prefix(&MAGIC).ok_or(OpenError::NotSealed)?;
    let truncated = || OpenError::Truncated { got };
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(truncated)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(OpenError::Version { got: version });
    }
    if got < HEADER + TAG {
        return Err(truncated());
    }
    if got > MAX_SEALED {
        return Err(OpenError::TooLarge { got });
    }
    let mut rest = rest;
    let mut number = || {
        let (bytes, after) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
        rest = after;
        Ok(u32::from_le_bytes(*bytes))
    };
    let cost = Cost { memory_kib: number()?, passes: number()?, lanes: number()? };
    let (salt, rest) = rest.split_at(SALT);
    let (nonce, _) = rest.split_at(NONCE);
    let (header, sealed) = file.split_at(HEADER);
    Ok(Parsed { cost, salt, nonce, header, sealed })
}

fn cipher(passphrase: &[u8], salt: &[u8], cost: Cost) -> XChaCha20Poly1305 {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
        .expect("a cost is one of our own or has passed `Cost::check`");
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, salt, key.as_mut())
        .expect("argon2 takes passphrases of up to 4 GiB, and ours come from a person");
    XChaCha20Poly1305::new((&*key).into())
}

/// Why a sealed file was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another kind of file, or an empty one.
    #[error("this is not a sealed Trestle file: expected it to begin with TRESTLE; check the path")]
    NotSealed,
    /// A later version of this program wrote it, or its version field was altered.
    #[error(
        "the sealed file has version {got}, this node reads version {VERSION}: open it with the version of trestle that wrote it"
    )]
    Version {
        /// The version in the file.
        got: u16,
    },
    /// The end is missing.
    #[error("the sealed file is truncated: expected at least {} bytes, got {got}; restore it from an export", HEADER + TAG)]
    Truncated {
        /// Bytes there are.
        got: usize,
    },
    /// Longer than anything that is sealed.
    #[error("the sealed file has {got} bytes, at most {MAX_SEALED} are expected; check the path")]
    TooLarge {
        /// Bytes there are.
        got: usize,
    },
    /// The passphrase would be too easy to guess.
    #[error("the sealed file's passphrase is too cheap to guess: argon2 with {memory_kib} KiB, {passes} passes and {lanes} lanes, expected at least {} KiB and {} passes; such files are for tests only, create a new one with `trestle keys new`", Cost::production().memory_kib, Cost::production().passes)]
    TooCheap {
        /// Memory in the header.
        memory_kib: u32,
        /// Passes in the header.
        passes: u32,
        /// Lanes in the header.
        lanes: u32,
    },
    /// Opening it would take more than a node may spend.
    #[error(
        "the sealed file asks for argon2 with {memory_kib} KiB, {passes} passes and {lanes} lanes, more than this node ever writes: it was altered; restore it from an export"
    )]
    TooExpensive {
        /// Memory in the header.
        memory_kib: u32,
        /// Passes in the header.
        passes: u32,
        /// Lanes in the header.
        lanes: u32,
    },
    /// The cipher cannot say which.
    #[error(
        "wrong passphrase, or the sealed file was altered or cut short (the two cannot be told apart): try the passphrase again, then restore the file from an export"
    )]
    WrongPassphraseOrAltered,
    /// The right passphrase for another kind of secret.
    #[error("expected a sealed file of {expected}, got one of {got}; check the path")]
    OtherPurpose {
        /// What was asked for.
        expected: String,
        /// What it is.
        got: String,
    },
    /// Locked with this passphrase, but not by this program.
    #[error("the sealed file opens, but its content has not the form this version writes")]
    Content,
}
