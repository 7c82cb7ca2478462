//! The first look: is there exactly one OP_RETURN of the right form with the right tag?

use bitcoin::Transaction;

use super::NotStaking;
use crate::{Tag, script::tag_of};

/// Whether a transaction is worth a closer look. Touches scripts of 73 bytes only.
pub fn is_candidate(transaction: &Transaction, tag: Tag) -> bool {
    quick(transaction, tag).is_ok()
}

pub(super) fn quick(transaction: &Transaction, tag: Tag) -> Result<(), NotStaking> {
    if transaction.output.len() < 2 {
        return Err(NotStaking::FewOutputs);
    }
    let tagged = |script| tag_of(script) == Some(tag);
    let scripts = transaction.output.iter().map(|output| output.script_pubkey.as_script());
    match scripts.filter(|script| tagged(script)).take(2).count() {
        0 => Err(NotStaking::NoTag),
        1 => Ok(()),
        _ => Err(NotStaking::SeveralTags),
    }
}
