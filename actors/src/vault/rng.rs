//! The vault's random generator: whichever the node or a test chose, behind one type.

use rand_core::{CryptoRng, Error, RngCore};

/// A generator fit for secrets.
pub(super) struct VaultRng(Box<dyn RngCore + Send + Sync>);

impl VaultRng {
    pub(super) fn new(rng: impl RngCore + CryptoRng + Send + Sync + 'static) -> Self {
        Self(Box::new(rng))
    }
}

impl RngCore for VaultRng {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.0.try_fill_bytes(dest)
    }
}

// Only generators that are `CryptoRng` get in.
impl CryptoRng for VaultRng {}
