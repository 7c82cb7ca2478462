//! The Taproot outputs. Their internal key has no known secret, so only scripts spend them.
//!
//! - staking: `Branch(Branch(timelock, unbonding), slashing)`
//! - unbonding: `Branch(timelock of the unbonding time, slashing)`
//! - change of a slashing: a timelock alone

use std::sync::LazyLock;

use bitcoin::{
    ScriptBuf, TapNodeHash, TapTweakHash, XOnlyPublicKey,
    key::TweakedPublicKey,
    secp256k1::Parity,
    taproot::{ControlBlock, LeafVersion, TaprootMerkleBranch},
};

use super::{
    leaf::Leaf,
    scripts::{Keys, timelock},
};
use crate::secp::SECP;

/// BIP-341's point with no known discrete logarithm: the hash of the generator, lifted.
const NUMS: [u8; 32] = [
    0x50, 0x92, 0x9b, 0x74, 0xc1, 0xa0, 0x49, 0x54, 0xb7, 0x8b, 0x4b, 0x60, 0x35, 0xe9, 0x7a, 0x5e,
    0x07, 0x8a, 0x5a, 0x0f, 0x28, 0xec, 0x96, 0xd5, 0x47, 0xbf, 0xee, 0x9a, 0xce, 0x80, 0x3a, 0xc0,
];

static INTERNAL: LazyLock<XOnlyPublicKey> =
    LazyLock::new(|| XOnlyPublicKey::from_slice(&NUMS).expect("BIP-341's point is on the curve"));

/// The internal key of every output here.
pub fn internal_key() -> XOnlyPublicKey {
    *INTERNAL
}

/// The output of a staking transaction.
#[derive(Clone, Debug)]
pub struct StakingOutput {
    root: Root,
    timelock: Node,
    unbonding: Node,
    slashing: Node,
}

impl StakingOutput {
    /// For a lock of `time` blocks.
    pub fn new(keys: &Keys<'_>, time: u16) -> Self {
        let timelock = Node::new(keys.timelock(time));
        let unbonding = Node::new(keys.unbonding());
        let slashing = Node::new(keys.slashing());
        let both = TapNodeHash::from_node_hashes(timelock.hash, unbonding.hash);
        let root = Root::new(TapNodeHash::from_node_hashes(both, slashing.hash));
        Self { root, timelock, unbonding, slashing }
    }

    /// `OP_1` and the output key.
    pub fn script_pubkey(&self) -> ScriptBuf {
        self.root.script_pubkey()
    }

    /// For the withdrawal after the lock.
    pub fn timelock(&self) -> Leaf {
        let path = [self.unbonding.hash, self.slashing.hash];
        self.root.leaf(&self.timelock, path.into())
    }

    /// For unbonding before the lock ends.
    pub fn unbonding(&self) -> Leaf {
        let path = [self.timelock.hash, self.slashing.hash];
        self.root.leaf(&self.unbonding, path.into())
    }

    /// For slashing.
    pub fn slashing(&self) -> Leaf {
        let both = TapNodeHash::from_node_hashes(self.timelock.hash, self.unbonding.hash);
        self.root.leaf(&self.slashing, [both].into())
    }
}

/// The output of an unbonding transaction.
#[derive(Clone, Debug)]
pub struct UnbondingOutput {
    root: Root,
    timelock: Node,
    slashing: Node,
}

impl UnbondingOutput {
    /// For a lock of `time` blocks.
    pub fn new(keys: &Keys<'_>, time: u16) -> Self {
        let timelock = Node::new(keys.timelock(time));
        let slashing = Node::new(keys.slashing());
        let root = Root::new(TapNodeHash::from_node_hashes(timelock.hash, slashing.hash));
        Self { root, timelock, slashing }
    }

    /// `OP_1` and the output key.
    pub fn script_pubkey(&self) -> ScriptBuf {
        self.root.script_pubkey()
    }

    /// For the withdrawal after the unbonding time.
    pub fn timelock(&self) -> Leaf {
        self.root.leaf(&self.timelock, [self.slashing.hash].into())
    }

    /// For slashing.
    pub fn slashing(&self) -> Leaf {
        self.root.leaf(&self.slashing, [self.timelock.hash].into())
    }
}

/// What a slashing leaves to the staker: a timelock and nothing else.
#[derive(Clone, Debug)]
pub struct TimelockOutput {
    root: Root,
    timelock: Node,
}

impl TimelockOutput {
    /// For a lock of `time` blocks.
    pub fn new(staker: &XOnlyPublicKey, time: u16) -> Self {
        let timelock = Node::new(timelock(staker, time));
        Self { root: Root::new(timelock.hash), timelock }
    }

    /// `OP_1` and the output key.
    pub fn script_pubkey(&self) -> ScriptBuf {
        self.root.script_pubkey()
    }

    /// The only way to spend it.
    pub fn timelock(&self) -> Leaf {
        self.root.leaf(&self.timelock, TaprootMerkleBranch::default())
    }
}

/// A script and its place in the tree.
#[derive(Clone, Debug)]
struct Node {
    script: ScriptBuf,
    hash: TapNodeHash,
}

impl Node {
    fn new(script: ScriptBuf) -> Self {
        let hash = TapNodeHash::from_script(&script, LeafVersion::TapScript);
        Self { script, hash }
    }
}

/// The key that commits to the whole tree.
#[derive(Clone, Copy, Debug)]
struct Root {
    output_key: XOnlyPublicKey,
    parity: Parity,
}

impl Root {
    fn new(root: TapNodeHash) -> Self {
        let tweak = TapTweakHash::from_key_and_tweak(*INTERNAL, Some(root)).to_scalar();
        let (output_key, parity) = INTERNAL
            .add_tweak(&*SECP, &tweak)
            .expect("fails only for a hash equal to a logarithm that nobody knows");
        Self { output_key, parity }
    }

    fn script_pubkey(&self) -> ScriptBuf {
        let key = TweakedPublicKey::dangerous_assume_tweaked(self.output_key);
        ScriptBuf::new_p2tr_tweaked(key)
    }

    fn leaf(&self, node: &Node, merkle_branch: TaprootMerkleBranch) -> Leaf {
        let control_block = ControlBlock {
            leaf_version: LeafVersion::TapScript,
            output_key_parity: self.parity,
            internal_key: *INTERNAL,
            merkle_branch,
        };
        Leaf { script: node.script.clone(), control_block }
    }
}
