//! The covenant committee of one version of the parameters: who may co-sign, and how many must.
//!
//! Always holds: at least one key and at most [`MAX_KEYS`], none of them twice, in ascending order
//! of their x-only bytes; 1 ≤ quorum ≤ number of keys.

use bitcoin::{
    Script, ScriptBuf, XOnlyPublicKey,
    opcodes::all::{OP_CHECKSIG, OP_CHECKSIGADD, OP_NUMEQUAL},
    script::Builder,
};
use thiserror::Error;

/// Consensus allows 1,000 items on the stack; a slashing witness starts with one a covenant key,
/// the provider's and the staker's signature, and pushes a key on top.
pub const MAX_KEYS: usize = 997;

/// Why some keys and a quorum are no committee.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CovenantError {
    /// There is no key.
    #[error("empty covenant public keys")]
    Empty,
    /// The script could never be satisfied: its stack would be too large.
    #[error("{0} covenant keys are too many, at most {MAX_KEYS} fit into a script's stack")]
    TooMany(usize),
    /// A quorum of zero.
    #[error("covenant quorum must be at least 1, got 0")]
    ZeroQuorum,
    /// A quorum that cannot be met.
    #[error("covenant quorum {quorum} cannot be more than the amount of covenants {keys}")]
    QuorumTooLarge {
        /// What was asked for.
        quorum: u32,
        /// How many keys there are.
        keys: usize,
    },
    /// The same x coordinate stands twice, whatever the parities.
    #[error("covenant key {0} stands there more than once (parity does not make it another key)")]
    Duplicate(XOnlyPublicKey),
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covenant {
    keys: Vec<XOnlyPublicKey>,
    /// The same, for comparing without the curve library.
    bytes: Vec<[u8; 32]>,
    quorum: u32,
    /// The part of the unbonding and slashing scripts that every stake shares.
    multisig: ScriptBuf,
}

impl Covenant {
    /// Keys in any order.
    ///
    /// # Errors
    /// [`CovenantError`], the first that applies in the order of its variants.
    pub fn new(
        keys: impl IntoIterator<Item = XOnlyPublicKey>,
        quorum: u32,
    ) -> Result<Self, CovenantError> {
        let mut keys: Vec<XOnlyPublicKey> = keys.into_iter().collect();
        keys.sort_by_cached_key(XOnlyPublicKey::serialize);
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        match keys.len() {
            0 => return Err(CovenantError::Empty),
            many if many > MAX_KEYS => return Err(CovenantError::TooMany(many)),
            _ => {}
        }
        if quorum == 0 {
            return Err(CovenantError::ZeroQuorum);
        }
        if quorum > count {
            return Err(CovenantError::QuorumTooLarge { quorum, keys: keys.len() });
        }
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(CovenantError::Duplicate(pair[0]));
        }
        let multisig = multisig(&keys, quorum);
        let bytes = keys.iter().map(XOnlyPublicKey::serialize).collect();
        Ok(Self { keys, bytes, quorum, multisig })
    }

    /// Ascending by x-only bytes: the order of the scripts. Witnesses have the reverse.
    pub fn keys(&self) -> &[XOnlyPublicKey] {
        &self.keys
    }

    /// How many signatures a spend needs: exactly so many.
    pub fn quorum(&self) -> u32 {
        self.quorum
    }

    /// Whether the key belongs to the committee.
    pub fn contains(&self, key: &XOnlyPublicKey) -> bool {
        self.contains_bytes(&key.serialize())
    }

    /// The same of a key's bytes.
    pub(crate) fn contains_bytes(&self, key: &[u8; 32]) -> bool {
        self.bytes.binary_search(key).is_ok()
    }

    /// `K(c1) CHECKSIG K(c2) CHECKSIGADD … N(quorum) NUMEQUAL`; with one key just the first two.
    pub(crate) fn multisig(&self) -> &Script {
        &self.multisig
    }
}

fn multisig(keys: &[XOnlyPublicKey], quorum: u32) -> ScriptBuf {
    let mut script = Builder::new();
    for (index, key) in keys.iter().enumerate() {
        let check = if index == 0 { OP_CHECKSIG } else { OP_CHECKSIGADD };
        script = script.push_x_only_key(key).push_opcode(check);
    }
    if keys.len() > 1 {
        script = script.push_int(i64::from(quorum)).push_opcode(OP_NUMEQUAL);
    }
    script.into_script()
}
