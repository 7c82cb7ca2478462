//! Secrets at rest, in two layers.
//!
//! A *sealed file* is locked by a passphrase: argon2id makes a key of it, XChaCha20-Poly1305
//! encrypts. It holds the [`KeyFile`]: p2p key, committee key and a random *data key*. The data key
//! in turn locks the secret rows of the store (FROST shares) without another argon2 for each, and
//! makes a store worthless without its key file.
//!
//! Layout of a sealed file, numbers little-endian; everything before the ciphertext is its
//! associated data, so no byte of the file can change unnoticed:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `TRESTLE` and a zero byte |
//! | 2 | version, 1 |
//! | 4, 4, 4 | argon2 memory in KiB, passes, lanes |
//! | 16 | salt |
//! | 24 | nonce |
//! | rest | ciphertext and 16-byte tag of the bincode of {purpose, content} |
//!
//! Always holds: salt and nonce are fresh for each sealing; plaintext is wiped when dropped; a file
//! that asks for more work than [`CostPolicy`] allows is refused before any of it is done. A wrong
//! passphrase and an altered file cannot be told apart, and the error says so.

mod cost;
mod data_key;
mod file;
mod key_file;

pub use cost::{Cost, CostPolicy};
pub use data_key::{DataKey, RowError};
pub use file::{MAX_SEALED, OpenError, VERSION, open, seal};
pub use key_file::{KeyFile, KeyFileError};
