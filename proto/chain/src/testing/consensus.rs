//! Bitcoin's own opinion of a spend. Tests of other crates include this file as a module of theirs.

use bitcoin::{Transaction, TxOut, consensus::serialize};
use bitcoinconsensus::{Utxo, VERIFY_ALL_PRE_TAPROOT, VERIFY_TAPROOT};

/// Runs Bitcoin's consensus code over every input. `spent` has the output that each spends.
pub(crate) fn verify(
    transaction: &Transaction,
    spent: &[TxOut],
) -> Result<(), bitcoinconsensus::Error> {
    assert_eq!(transaction.input.len(), spent.len());
    let bytes = serialize(transaction);
    let utxos: Vec<Utxo> = spent
        .iter()
        .map(|output| Utxo {
            script_pubkey: output.script_pubkey.as_bytes().as_ptr(),
            script_pubkey_len: u32::try_from(output.script_pubkey.len()).expect("short"),
            value: i64::try_from(output.value.to_sat()).expect("below 21 million"),
        })
        .collect();
    let flags = VERIFY_ALL_PRE_TAPROOT | VERIFY_TAPROOT;
    for (input, output) in spent.iter().enumerate() {
        bitcoinconsensus::verify_with_flags(
            output.script_pubkey.as_bytes(),
            output.value.to_sat(),
            &bytes,
            Some(&utxos),
            input,
            flags,
        )?;
    }
    Ok(())
}
