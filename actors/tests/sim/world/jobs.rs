//! What the coordinator asks for, and what the world does by itself each second.

use bitcoin::FeeRate;
use futures::executor::block_on;
use trestle_actors::{
    committee::CommitteeInput,
    coordinator::{CoordinatorInput, Job},
    follower::Cursor,
    ports::chain::{Accepted, ChainError},
};

use super::{Event, World, dice, node::Feed};

impl World {
    pub(super) fn carry_out(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            let input = match job {
                Job::Check { session, attempt, work } => {
                    let verdicts = work.into_iter().flat_map(|piece| piece()).collect();
                    CoordinatorInput::Checked { session, attempt, verdicts }
                }
                Job::Deliver { key, to, id: _, message } => {
                    self.deliver(key, to, &message);
                    continue;
                }
                Job::Broadcast { payment, transaction } => {
                    let txid = transaction.compute_txid();
                    let result = self.answer(|world| {
                        let accepted = world.ground.bitcoind.chain().broadcast(&transaction);
                        if !matches!(accepted, Accepted::Rejected(_)) {
                            world.checker.spent(&transaction);
                        }
                        accepted
                    });
                    CoordinatorInput::BroadcastDone { payment, txid, result }
                }
                Job::Inspect { payment, anchor, txid, height: _ } => {
                    let result = self.answer(|world| {
                        let chain = world.ground.bitcoind.chain();
                        let mut all = chain.transactions();
                        all.find(|one| one.compute_txid() == txid).cloned()
                    });
                    let height = self.ground.bitcoind.chain().height_of(&txid).unwrap_or_default();
                    CoordinatorInput::Inspected { payment, anchor, height, result }
                }
                Job::Quote { payment } => {
                    let result = self.answer(|world| {
                        let rate = dice::between(&mut world.rng, 1, 60);
                        FeeRate::from_sat_per_vb_u32(u32::try_from(rate).unwrap_or(1))
                    });
                    CoordinatorInput::Quoted { payment, result }
                }
                Job::Follow { committee, feed, start, reset } => {
                    assert_eq!(reset, None, "the coordinator resets its cursor itself");
                    self.follow(committee, feed, start);
                    continue;
                }
            };
            let (boot, delay) = (self.nodes[0].boot, 1 + dice::below(&mut self.rng, 20));
            self.at(self.now + delay, Event::Result { node: 0, boot, input });
        }
    }

    fn answer<T>(&mut self, ask: impl FnOnce(&mut Self) -> T) -> Result<T, ChainError> {
        if dice::chance(&mut self.rng, self.faults.bitcoind) {
            return Err(ChainError::Unreachable("simulated".into()));
        }
        Ok(ask(self))
    }

    fn follow(&mut self, committee: String, number: u64, start: u32) {
        let cursor = Cursor::new(format!("wallet.{committee}"), start);
        let at = block_on(cursor.tip(self.nodes[0].store.rows())).expect("memory can be read");
        self.nodes[0].feed = Some(Feed { committee, number, start, at });
        let boot = self.nodes[0].boot;
        self.at(self.now + 1, Event::Feed { boot, number });
    }

    /// Hands the coordinator the next blocks.
    pub(super) fn feed(&mut self, boot: u64, number: u64) {
        let most = dice::between(&mut self.rng, 1, 5);
        let one = &mut self.nodes[0];
        let Some(feed) = one.feed.as_mut().filter(|feed| feed.number == number) else { return };
        if one.boot != boot {
            return;
        }
        let most = usize::try_from(most).unwrap_or(1);
        let (steps, at) = self.ground.bitcoind.chain().steps(feed.at, feed.start, most);
        feed.at = at;
        let waiting = steps.is_empty();
        if !waiting {
            let committee = feed.committee.clone();
            let input = CoordinatorInput::Steps { committee, feed: number, steps };
            self.at(self.now + 1, Event::Result { node: 0, boot, input });
        }
        let pause = if waiting { 500 } else { 1 };
        self.at(self.now + pause, Event::Feed { boot, number });
    }

    /// What may happen each second.
    pub(super) fn second(&mut self) {
        self.at(self.now + 1_000, Event::Second);
        let faults = self.faults.clone();
        if dice::chance(&mut self.rng, faults.crash) {
            let node = dice::below(&mut self.rng, self.nodes.len() as u64);
            let pause = dice::between(&mut self.rng, 100, 8_000);
            self.kill(usize::try_from(node).unwrap_or_default(), pause);
        }
        if dice::chance(&mut self.rng, faults.partition) {
            let pause = dice::between(&mut self.rng, 500, 15_000);
            for member in self.members() {
                if dice::chance(&mut self.rng, 400) {
                    self.cut_off(member);
                    self.at(self.now + pause, Event::Mend { member });
                }
            }
        }
        if dice::chance(&mut self.rng, faults.forget) {
            self.tally.forgotten += self.ground.bitcoind.chain().forget();
        }
        if dice::chance(&mut self.rng, faults.reorg) {
            let depth = dice::between(&mut self.rng, 1, 5);
            self.reorg(u32::try_from(depth).unwrap_or(1));
        } else if dice::chance(&mut self.rng, faults.block) {
            self.mine();
        }
        self.look();
    }

    /// Mines a block.
    pub(crate) fn mine(&mut self) {
        let include = self.faults.include;
        self.ground.bitcoind.chain().mine(&mut self.rng, include);
        self.new_tip();
    }

    /// Replaces the last blocks.
    pub(crate) fn reorg(&mut self, depth: u32) {
        self.tally.reorgs += 1;
        let include = self.faults.include;
        self.ground.bitcoind.chain().reorg(&mut self.rng, depth, include);
        self.new_tip();
    }

    fn new_tip(&mut self) {
        let height = self.ground.bitcoind.chain().height();
        self.look();
        self.coordinator(CoordinatorInput::Tip(height));
        for member in self.members() {
            self.member(member, CommitteeInput::Tip(height));
        }
    }

    /// Checks the properties that can be seen from outside.
    pub(crate) fn look(&mut self) {
        let payments = self.client.scripts();
        let payments: Vec<_> =
            payments.iter().map(|(name, script)| (name.clone(), script.as_script())).collect();
        let bitcoind = self.ground.bitcoind.clone();
        self.checker.chain(bitcoind.chain().transactions(), &payments);
        for member in self.members() {
            let store = self.nodes[member].store.clone();
            self.checker.rows(member, store.rows());
        }
    }
}
