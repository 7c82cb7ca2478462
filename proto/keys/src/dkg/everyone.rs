//! Whether a list of messages has exactly one from each member, in order.

use crate::Committee;

/// Whether `indexes` are exactly the committee's, in order.
pub fn is_everyone(committee: &Committee, indexes: impl Iterator<Item = u16>) -> bool {
    committee.members.iter().map(|member| member.index).eq(indexes)
}
