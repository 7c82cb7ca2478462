//! A member's side of signing: nonces made ahead of time, and shares for a batch.
//!
//! Always holds: a secret nonce leaves the pool before it is used and never comes back; a pool
//! lives in memory only and is zeroized; a share is made for a package that has exactly the
//! commitments this member offered.

pub mod batch;
pub mod pool;

pub use batch::{BatchError, check_batch, sign_batch};
pub use pool::{NoncePool, PoolError};
