//! Named attacks, one a test. What each attacker does is told in the sentence above its test.

mod coordinators;
mod generation;
mod members;
mod nonces;
mod strangers;

use trestle_wire::{Message, committee::sign::RefusalCode};

use crate::world::{Tamper, World, checker::keys, played::Said};

/// Changes what one node says to another; everything else passes.
pub(crate) fn changing(
    from: usize,
    to: Option<usize>,
    mut change: impl FnMut(&Message) -> Option<Vec<Message>> + 'static,
) -> Tamper {
    Box::new(move |sender, receiver, message| {
        let concerned = sender == from && to.is_none_or(|to| to == receiver);
        let changed = if concerned { change(&message) } else { None };
        changed.unwrap_or_else(|| vec![message])
    })
}

/// Whether any member has a key that it would use.
pub(crate) fn any_usable_key(world: &World) -> bool {
    world.members().any(|member| {
        let rows = keys(world.nodes[member].store.rows());
        rows.iter().any(|(_, row)| row.ready.is_some())
    })
}

/// How often the coordinator caught a member.
pub(crate) fn blamed(world: &mut World, member: usize) -> u64 {
    let view = world.view().expect("the coordinator answers");
    view.members[member - 1].blamed
}

/// The code of a refusal.
pub(crate) fn code(said: &Said) -> Option<RefusalCode> {
    match said {
        Said::Refused(refused) => Some(refused.code),
        Said::Shares(_) | Said::Nothing => None,
    }
}
