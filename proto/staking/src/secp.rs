//! The one verification context of this crate.

use std::sync::LazyLock;

use bitcoin::secp256k1::{Secp256k1, VerifyOnly};

/// Verifies and tweaks; cannot sign.
pub(crate) static SECP: LazyLock<Secp256k1<VerifyOnly>> =
    LazyLock::new(Secp256k1::verification_only);
