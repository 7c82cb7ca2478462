//! The three scripts. K(x) is a push of 32 bytes, N(x) the shortest push of a number.
//!
//! - timelock: `K(staker) CHECKSIGVERIFY N(time) CHECKSEQUENCEVERIFY`; the number stays on the
//!   stack as the true value.
//! - unbonding: `K(staker) CHECKSIGVERIFY` and the committee's multisig.
//! - slashing: the same with the finality provider's check between the two.

use bitcoin::{
    ScriptBuf, XOnlyPublicKey,
    opcodes::all::{OP_CHECKSIG, OP_CHECKSIGADD, OP_CHECKSIGVERIFY, OP_CSV, OP_NUMEQUALVERIFY},
    script::Builder,
};
use thiserror::Error;

use crate::Covenant;

/// Why keys cannot be put into one output.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScriptError {
    /// A stake delegates to someone.
    #[error("a stake needs at least one finality provider")]
    NoProvider,
    /// Two of staker, finality providers and covenant keys have the same x coordinate.
    #[error("key {0} has two roles: staker, finality providers and covenant keys must all differ")]
    DuplicateKey(XOnlyPublicKey),
}

/// Everybody who has a part in a stake's scripts.
///
/// Always holds: all keys differ; at least one finality provider, in ascending order.
#[derive(Clone, Debug)]
pub struct Keys<'a> {
    covenant: &'a Covenant,
    staker: XOnlyPublicKey,
    providers: Vec<XOnlyPublicKey>,
}

impl<'a> Keys<'a> {
    /// Finality providers in any order; a stake of phase 1 has exactly one.
    ///
    /// # Errors
    /// [`ScriptError`] if there is no provider, or two keys are equal.
    pub fn new(
        covenant: &'a Covenant,
        staker: XOnlyPublicKey,
        providers: &[XOnlyPublicKey],
    ) -> Result<Self, ScriptError> {
        let mut providers = providers.to_vec();
        providers.sort_by_cached_key(XOnlyPublicKey::serialize);
        if providers.is_empty() {
            return Err(ScriptError::NoProvider);
        }
        if let Some(pair) = providers.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ScriptError::DuplicateKey(pair[0]));
        }
        let taken = |key: &&XOnlyPublicKey| **key == staker || covenant.contains(key);
        if let Some(key) = providers.iter().find(taken) {
            return Err(ScriptError::DuplicateKey(*key));
        }
        if covenant.contains(&staker) {
            return Err(ScriptError::DuplicateKey(staker));
        }
        Ok(Self { covenant, staker, providers })
    }

    /// The timelock script of the staker.
    pub fn timelock(&self, time: u16) -> ScriptBuf {
        timelock(&self.staker, time)
    }

    /// The unbonding script: staker and committee, at once.
    pub fn unbonding(&self) -> ScriptBuf {
        with_tail(self.staker_part(0), self.covenant)
    }

    /// The slashing script: staker, provider and committee. The same in a stake's output and in
    /// its unbonding's.
    pub fn slashing(&self) -> ScriptBuf {
        let part = self.staker_part(34 * self.providers.len() + 8);
        with_tail(providers_part(part, &self.providers), self.covenant)
    }

    fn staker_part(&self, more: usize) -> Builder {
        let room = 34 + more + self.covenant.multisig().len();
        Builder::from(Vec::with_capacity(room))
            .push_x_only_key(&self.staker)
            .push_opcode(OP_CHECKSIGVERIFY)
    }
}

/// `K(key) CHECKSIGVERIFY N(time) CHECKSEQUENCEVERIFY`.
pub fn timelock(key: &XOnlyPublicKey, time: u16) -> ScriptBuf {
    Builder::new()
        .push_x_only_key(key)
        .push_opcode(OP_CHECKSIGVERIFY)
        .push_int(i64::from(time))
        .push_opcode(OP_CSV)
        .into_script()
}

/// One key: `K(f) CHECKSIGVERIFY`. Several: any one of them, by `… N(1) NUMEQUALVERIFY`.
fn providers_part(mut script: Builder, keys: &[XOnlyPublicKey]) -> Builder {
    if let [only] = keys {
        return script.push_x_only_key(only).push_opcode(OP_CHECKSIGVERIFY);
    }
    for (index, key) in keys.iter().enumerate() {
        let check = if index == 0 { OP_CHECKSIG } else { OP_CHECKSIGADD };
        script = script.push_x_only_key(key).push_opcode(check);
    }
    script.push_int(1).push_opcode(OP_NUMEQUALVERIFY)
}

fn with_tail(head: Builder, covenant: &Covenant) -> ScriptBuf {
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(covenant.multisig().as_bytes());
    ScriptBuf::from_bytes(bytes)
}
