//! A script inside an output, with the proof that it is there.

use bitcoin::{
    ScriptBuf, TapLeafHash, TapNodeHash, Witness,
    taproot::{ControlBlock, LeafVersion},
};

/// What a spend by script reveals: the script and its control block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The script, of leaf version 0xc0.
    pub script: ScriptBuf,
    /// Internal key, parity of the output key, and the path to the root.
    pub control_block: ControlBlock,
}

impl Leaf {
    /// The hash that signatures commit to.
    pub fn hash(&self) -> TapLeafHash {
        TapLeafHash::from_script(&self.script, LeafVersion::TapScript)
    }

    /// The Merkle root that the control block leads to.
    pub fn merkle_root(&self) -> TapNodeHash {
        let start = TapNodeHash::from(self.hash());
        self.control_block
            .merkle_branch
            .iter()
            .fold(start, |node, other| TapNodeHash::from_node_hashes(node, *other))
    }

    /// A witness: what the script takes from the stack, bottom first, then script and control
    /// block.
    pub fn witness<T: AsRef<[u8]>>(&self, stack: impl IntoIterator<Item = T>) -> Witness {
        let mut witness = Witness::new();
        for item in stack {
            witness.push(item);
        }
        witness.push(self.script.as_bytes());
        witness.push(self.control_block.serialize());
        witness
    }
}
