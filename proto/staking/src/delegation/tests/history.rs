//! Random histories of one delegation on one branch of the chain.

use proptest::prelude::*;

use super::*;

/// How a stake goes on.
#[derive(Clone, Copy, Debug)]
enum Way {
    Rest,
    Withdraw(u32),
    Leave { slashed: bool, later: u32 },
    Unbond { later: u32, timelock: u16, asked: bool, then: Then },
}

/// How an unbonding goes on.
#[derive(Clone, Copy, Debug)]
enum Then {
    Rest,
    Withdraw(u32),
    Leave { slashed: bool, later: u32 },
}

fn ways() -> impl Strategy<Value = Way> {
    let then = prop_oneof![
        Just(Then::Rest),
        (0_u32..5).prop_map(Then::Withdraw),
        (any::<bool>(), 0_u32..5).prop_map(|(slashed, later)| Then::Leave { slashed, later }),
    ];
    prop_oneof![
        1 => Just(Way::Rest),
        2 => (0_u32..5).prop_map(Way::Withdraw),
        1 => (any::<bool>(), 0_u32..30)
            .prop_map(|(slashed, later)| Way::Leave { slashed, later }),
        4 => (0_u32..30, 1_u16..6, any::<bool>(), then)
            .prop_map(|(later, timelock, asked, then)| Way::Unbond { later, timelock, asked, then }),
    ]
}

/// A history: its events by the height that brings them, lowest first, and the request, if any.
#[derive(Clone, Debug)]
pub(super) struct History {
    pub(super) chain: Vec<(u32, Event)>,
    pub(super) request: Option<Event>,
}

impl History {
    pub(super) fn events(&self) -> impl Iterator<Item = Event> + '_ {
        self.chain.iter().map(|(_, event)| *event)
    }
}

pub(super) fn histories() -> impl Strategy<Value = History> {
    let stake = (90_u32..110, 1_u16..20, any::<bool>()).prop_map(|(height, timelock, overflow)| {
        ConfirmedStake { height, timelock, overflow, ..STAKE }
    });
    (stake, ways(), 0_u32..60).prop_map(|(stake, way, more)| history(stake, way, more))
}

fn history(stake: ConfirmedStake, way: Way, more: u32) -> History {
    let lock = stake.timelock();
    let mut request = None;
    let mut chain = vec![(stake.height, Event::StakeConfirmed(stake))];
    let mut timelocks = vec![(lock.spendable_at(), Event::Expired { at: lock.spendable_at() })];
    match way {
        Way::Rest => {}
        Way::Withdraw(later) => {
            let height = lock.first_block() + later;
            chain.push((height, withdrawn(Output::Staking, 7, height)));
        }
        Way::Leave { slashed, later } => {
            let height = stake.height + later;
            chain.push((height, otherwise(Output::Staking, slashed, 7, height)));
        }
        Way::Unbond { later, timelock, asked, then } => {
            let confirmed = Unbonding { height: stake.height + later, timelock, ..unbonding() };
            request = asked.then(requested);
            chain.push((confirmed.height, Event::UnbondingConfirmed(confirmed)));
            let lock = confirmed.timelock();
            let at = lock.spendable_at();
            timelocks.push((at, Event::UnbondingMatured { at }));
            match then {
                Then::Rest => {}
                Then::Withdraw(later) => {
                    let height = lock.first_block() + later;
                    chain.push((height, withdrawn(Output::Unbonding, 8, height)));
                }
                Then::Leave { slashed, later } => {
                    let height = confirmed.height + later;
                    chain.push((height, otherwise(Output::Unbonding, slashed, 8, height)));
                }
            }
        }
    }
    // The chain ends a number of blocks after the last transaction; timelocks above it still run.
    let tip = chain.iter().map(|(height, _)| *height).max().unwrap_or(0) + more;
    chain.extend(timelocks.into_iter().filter(|(at, _)| *at <= tip));
    chain.sort_by_key(|(height, _)| *height);
    History { chain, request }
}
