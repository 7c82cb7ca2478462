//! The script that a Taproot input reveals.

use bitcoin::Witness;

/// The first byte of an annex.
const ANNEX: u8 = 0x50;

/// The script of a spend by script: the last item but one, after an annex is taken off (the last
/// of two or more items if it begins with 0x50, BIP-341). `None` if the witness is too short to
/// hold script and control block, as that of a spend by key.
pub fn tapscript(witness: &Witness) -> Option<&[u8]> {
    let annex =
        witness.len() >= 2 && witness.last().is_some_and(|last| last.first() == Some(&ANNEX));
    let items = witness.len() - usize::from(annex);
    witness.nth(items.checked_sub(2)?)
}
