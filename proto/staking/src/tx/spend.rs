//! A transaction whose inputs are spent by script: what is to be signed, and what the signatures
//! commit to.

use bitcoin::{
    OutPoint, ScriptBuf, Sequence, TapSighashType, Transaction, TxIn, TxOut, Witness,
    absolute::LockTime,
    secp256k1::{Message, XOnlyPublicKey, schnorr::Signature},
    sighash::{Prevouts, SighashCache},
    transaction::Version,
};

use crate::{script::Leaf, secp::SECP};

/// An output that is to be spent through one of its scripts.
#[derive(Clone, Debug)]
pub struct SpentLeaf {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What it holds and is locked by.
    pub output: TxOut,
    /// The script and its proof.
    pub leaf: Leaf,
}

/// An unsigned transaction, version 2, and all that it spends, in the order of its inputs.
///
/// Always holds: as many leaves as inputs, and at least one.
#[derive(Clone, Debug)]
pub struct Spend {
    transaction: Transaction,
    spent: Vec<SpentLeaf>,
}

impl Spend {
    /// With a sequence for each input. The builders of this module see to the rest.
    pub(super) fn new(spent: Vec<(SpentLeaf, Sequence)>, output: Vec<TxOut>) -> Self {
        let input = spent.iter().map(|(leaf, sequence)| TxIn {
            previous_output: leaf.outpoint,
            script_sig: ScriptBuf::new(),
            sequence: *sequence,
            witness: Witness::new(),
        });
        let transaction = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: input.collect(),
            output,
        };
        Self { transaction, spent: spent.into_iter().map(|(leaf, _)| leaf).collect() }
    }

    /// Without witnesses.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// What is spent, in the order of the inputs.
    pub fn spent(&self) -> &[SpentLeaf] {
        &self.spent
    }

    /// The outputs that are spent, in the order of the inputs.
    pub fn prevouts(&self) -> Vec<TxOut> {
        self.spent.iter().map(|spent| spent.output.clone()).collect()
    }

    /// What the keys of each input's script sign: BIP-341, SIGHASH_DEFAULT.
    pub fn sighashes(&self) -> Vec<[u8; 32]> {
        let prevouts = self.prevouts();
        let mut cache = SighashCache::new(&self.transaction);
        let hash = |(index, spent): (usize, &SpentLeaf)| {
            let all = Prevouts::All(&prevouts);
            let sighash = TapSighashType::Default;
            let hash =
                cache.taproot_script_spend_signature_hash(index, &all, spent.leaf.hash(), sighash);
            *hash.expect("as many outputs as inputs, and the index is one of them").as_ref()
        };
        self.spent.iter().enumerate().map(hash).collect()
    }

    /// The transaction with a witness for each input.
    pub(super) fn with_witnesses(mut self, witnesses: Vec<Witness>) -> Transaction {
        debug_assert_eq!(witnesses.len(), self.transaction.input.len());
        for (input, witness) in self.transaction.input.iter_mut().zip(witnesses) {
            input.witness = witness;
        }
        self.transaction
    }
}

/// Whether a signature is good.
pub(super) fn verifies(hash: &[u8; 32], key: &XOnlyPublicKey, signature: &Signature) -> bool {
    SECP.verify_schnorr(signature, &Message::from_digest(*hash), key).is_ok()
}
