//! What the keys of Taproot key-path inputs sign: BIP-341 with SIGHASH_DEFAULT.
//!
//! Always holds: a hash commits to the amounts and scripts of all spent outputs, so that a signer
//! who was lied to about any of them gives a signature that is good for nothing.

use bitcoin::{
    Transaction, TxOut,
    hashes::Hash,
    sighash::{Prevouts, SighashCache, TapSighashType},
};

/// One hash for each input, in order, given the outputs that the inputs spend. `None` unless there
/// are exactly as many outputs as inputs.
pub fn all(transaction: &Transaction, spent: &[TxOut]) -> Option<Vec<[u8; 32]>> {
    if transaction.input.len() != spent.len() {
        return None;
    }
    let mut cache = SighashCache::new(transaction);
    let prevouts = Prevouts::All(spent);
    (0..spent.len())
        .map(|input| {
            cache
                .taproot_key_spend_signature_hash(input, &prevouts, TapSighashType::Default)
                .ok()
                .map(|hash| hash.to_byte_array())
        })
        .collect()
}

/// The hash of a transaction that has one input.
pub(crate) fn of_only_input(transaction: &Transaction, spent: &[TxOut; 1]) -> [u8; 32] {
    let hashes = all(transaction, spent).expect("one input and the one output that it spends");
    hashes[0]
}
