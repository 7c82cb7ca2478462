//! How much work a passphrase costs to try.

use super::OpenError;

/// Parameters of argon2id, version 0x13.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

/// Which costs an existing file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostPolicy {
    /// At least [`Cost::production`]: a node must not run on a file whose passphrase is cheap to
    /// guess, however it came about.
    Production,
    /// Anything up to the bound, for tests.
    AnyForTests,
}

// A header is read before its passphrase is proven: without a bound, an altered file would make the
// node allocate or compute for ever. 1 GiB and 16 passes take seconds, and leave room to raise the
// production cost without a new version.
const MOST: Cost = Cost { memory_kib: 1024 * 1024, passes: 16, lanes: 16 };

impl Cost {
    /// The second recommended choice of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes.
    pub const fn production() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 }
    }

    /// The least that argon2 can do. [`CostPolicy::Production`] refuses it.
    pub const fn cheap_for_tests() -> Self {
        Self { memory_kib: 8, passes: 1, lanes: 1 }
    }

    pub(super) fn check(self, policy: CostPolicy) -> Result<(), OpenError> {
        let Self { memory_kib, passes, lanes } = self;
        if memory_kib > MOST.memory_kib || passes > MOST.passes || lanes > MOST.lanes {
            return Err(OpenError::TooExpensive { memory_kib, passes, lanes });
        }
        // argon2 needs 8 KiB a lane and one of everything.
        let possible = passes >= 1 && lanes >= 1 && memory_kib >= 8 * lanes;
        let least = Self::production();
        let enough = memory_kib >= least.memory_kib && passes >= least.passes;
        if !possible || (policy == CostPolicy::Production && !enough) {
            return Err(OpenError::TooCheap { memory_kib, passes, lanes });
        }
        Ok(())
    }
}
