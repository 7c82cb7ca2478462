//! What stakes' outputs commit to, for many stakes one after another: without their scripts, which
//! nobody wants of outputs that are only compared.
//!
//! Always holds: the same as of [`StakingOutput`](super::StakingOutput).

use bitcoin::{
    Script, ScriptBuf, TapNodeHash, TapTweakHash,
    opcodes::all::{OP_CHECKSIGVERIFY, OP_CSV, OP_PUSHBYTES_32},
    script::Builder,
    secp256k1::Scalar,
    taproot::LeafVersion,
};

use super::internal_key;
use crate::Covenant;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tweaks<'c> {
    covenant: &'c Covenant,
    /// The script that is being hashed.
    script: Vec<u8>,
    /// The last time, and how its timelock script ends: nearly all stakes of a network have the same.
    time: (u16, ScriptBuf),
}

impl<'c> Tweaks<'c> {
    pub(crate) fn new(covenant: &'c Covenant) -> Self {
        Self { covenant, script: Vec::new(), time: (0, timelock_end(0)) }
    }

    /// The tweak of the internal key. Whether the keys differ is not looked at.
    pub(crate) fn tweak(&mut self, staker: &[u8; 32], provider: &[u8; 32], time: u16) -> Scalar {
        if self.time.0 != time {
            self.time = (time, timelock_end(time));
        }
        let multisig = self.covenant.multisig().as_bytes();
        let script = &mut self.script;
        script.clear();
        push_check(script, staker);
        let check = script.len();
        script.extend_from_slice(self.time.1.as_bytes());
        let timelock = hash(script);
        script.truncate(check);
        script.extend_from_slice(multisig);
        let unbonding = hash(script);
        script.truncate(check);
        push_check(script, provider);
        script.extend_from_slice(multisig);
        let slashing = hash(script);
        let both = TapNodeHash::from_node_hashes(timelock, unbonding);
        let root = TapNodeHash::from_node_hashes(both, slashing);
        TapTweakHash::from_key_and_tweak(internal_key(), Some(root)).to_scalar()
    }
}

/// `K(key) CHECKSIGVERIFY`.
fn push_check(script: &mut Vec<u8>, key: &[u8; 32]) {
    script.push(OP_PUSHBYTES_32.to_u8());
    script.extend_from_slice(key);
    script.push(OP_CHECKSIGVERIFY.to_u8());
}

/// `N(time) CHECKSEQUENCEVERIFY`.
fn timelock_end(time: u16) -> ScriptBuf {
    Builder::new().push_int(time.into()).push_opcode(OP_CSV).into_script()
}

fn hash(script: &[u8]) -> TapNodeHash {
    TapNodeHash::from_script(Script::from_bytes(script), LeafVersion::TapScript)
}
