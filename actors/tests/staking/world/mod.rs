//! A coordinator, three members of whom two must sign, and everything around them.

mod chain;
mod coordinator;
mod keys;
mod member;
mod ports;

use std::{collections::BTreeMap, sync::Arc};

use bitcoin::{Transaction, Txid};
use rand_chacha::{ChaCha20Rng, rand_core::RngCore};
use trestle_actors::{
    ports::chain::{ChainError, Tip},
    staking::pipeline::{PipelineInput, RequestError, UnbondingForm},
};
use trestle_staking::{GlobalParams, pipeline::Phase};
use trestle_wire::{Message, Peer};

pub(crate) use chain::{Chain, FIRST};
pub(crate) use coordinator::Coordinator;
pub(crate) use keys::{
    COORDINATOR, MEMBERS, Staked, full_key, keypair, params, params_text, peer, sign, x_only,
};
pub(crate) use member::{Behaviour, Member};
pub(crate) use ports::{Bitcoind, FlakyStore, Inline, Mempool, Net, NetPort, Time, Verdict};

/// Everything.
pub(crate) struct World {
    pub(crate) params: Arc<GlobalParams>,
    pub(crate) chain: Chain,
    pub(crate) time: Arc<Time>,
    pub(crate) net: Arc<Net>,
    pub(crate) mempool: Arc<Mempool>,
    pub(crate) coordinator: Coordinator,
    pub(crate) members: BTreeMap<Peer, Member>,
    /// While there is one, messages are lost, repeated and overtaken, and the coordinator dies.
    pub(crate) dice: Option<ChaCha20Rng>,
    bitcoind: Arc<Bitcoind>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let params = Arc::new(params());
        let (time, net, mempool) = (Arc::default(), Arc::default(), Arc::default());
        let coordinator = Coordinator::start(&params, &time, &net).await;
        let bitcoind = Arc::<Bitcoind>::default();
        let mut members = BTreeMap::new();
        for number in MEMBERS {
            let member = Member::start(number, &params, &net, bitcoind.clone()).await;
            members.insert(peer(number), member);
        }
        let chain = Chain::default();
        let mut world =
            Self { params, chain, time, net, mempool, coordinator, members, dice: None, bitcoind };
        world.mine(Vec::new()).await;
        world
    }

    /// A block with these transactions, for everybody.
    pub(crate) async fn mine(&mut self, transactions: Vec<Transaction>) {
        self.chain.mine(transactions);
        self.sync().await;
    }

    /// A block with what is in the mempool.
    pub(crate) async fn mine_mempool(&mut self) {
        let transactions = self.mempool.take();
        self.mine(transactions).await;
    }

    pub(crate) async fn mine_empty(&mut self, count: u32) {
        for _ in 0..count {
            self.mine(Vec::new()).await;
        }
    }

    /// Everybody catches up with the chain.
    pub(crate) async fn sync(&mut self) {
        let (tip, hash) = self.chain.tip();
        let tip = Tip { height: tip, hash };
        self.bitcoind.is(Ok(tip));
        self.mempool.see(self.chain.txids());
        self.coordinator.sync(&self.chain).await;
        for member in self.members.values_mut() {
            member.sync(&self.chain).await;
        }
        self.run().await;
    }

    /// What every member's bitcoind says of itself until the next block.
    pub(crate) fn bitcoind_is(&self, said: Result<Tip, ChainError>) {
        self.bitcoind.is(said);
    }

    /// Stakes that are deep enough to be active.
    pub(crate) async fn stake(&mut self, count: u32) -> Vec<Staked> {
        let height = self.chain.next();
        let params = self.params.params_at(height).expect("above the first activation").clone();
        let stakes: Vec<Staked> = (0..count).map(|n| Staked::new(height, n, &params)).collect();
        self.mine(stakes.iter().map(|stake| stake.transaction.clone()).collect()).await;
        self.mine_empty(1).await;
        stakes
    }

    /// `POST /v1/unbonding`.
    pub(crate) async fn request(&mut self, form: UnbondingForm) -> Result<(), RequestError> {
        let answer = self.coordinator.request(&self.params, form).await;
        self.run().await;
        answer
    }

    /// Jobs and messages until there are none.
    pub(crate) async fn run(&mut self) {
        loop {
            self.coordinator.run_jobs(&self.mempool).await;
            let Some((from, to, message)) = self.net.take() else { return };
            if let Some(dice) = &mut self.dice {
                match dice.next_u32() % 20 {
                    0..6 => continue,
                    6..9 => self.net.again((from, to, message.clone())),
                    9..12 => {
                        self.net.again((from, to, message));
                        continue;
                    }
                    12 => self.coordinator.restart().await,
                    _ => {}
                }
            }
            self.deliver(from, to, message).await;
        }
    }

    pub(crate) async fn deliver(&mut self, from: Peer, to: Peer, message: Message) {
        if to == peer(COORDINATOR) {
            if let Message::UnbondingSigned(signed) = message {
                self.coordinator.handle(PipelineInput::Signed(from, signed)).await;
            }
        } else if let Some(member) = self.members.get_mut(&to) {
            member.receive(from, message).await;
        }
    }

    /// Time passes, and what is due is done.
    pub(crate) async fn wait(&mut self, ms: u64) {
        let until = self.time.now() + ms;
        while let Some(at) = self.coordinator.next_wake().filter(|at| *at <= until) {
            self.time.set(at.max(self.time.now()));
            self.coordinator.handle(PipelineInput::Tick).await;
            self.run().await;
        }
        self.time.set(until);
    }

    pub(crate) fn behave(&mut self, number: u8, behaviour: Behaviour) {
        self.member(number).behaviour = behaviour;
    }

    pub(crate) fn member(&mut self, number: u8) -> &mut Member {
        self.members.get_mut(&peer(number)).expect("one of the three")
    }

    /// Where a request is, open or closed.
    pub(crate) async fn phase(&self, unbonding: Txid) -> Option<Phase> {
        self.coordinator.stored(unbonding).await.map(|request| request.phase())
    }
}
