//! A committee, its coordinator, their network and a Bitcoin chain, in one thread. One scheduler
//! owns time, delivery and crashes; the same seed gives the same run.
//!
//! Always holds: an actor hears and says nothing but through here; a crash leaves what the store
//! has committed and nothing else; every message crosses the wire as bytes.

pub(crate) mod chain;
pub(crate) mod checker;
pub(crate) mod client;
pub(crate) mod dice;
pub(crate) mod faults;
mod jobs;
mod network;
pub(crate) mod node;
pub(crate) mod played;
pub(crate) mod ports;
pub(crate) mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::executor::block_on;
use rand_chacha::ChaCha8Rng;
use trestle_actors::{
    committee::{CommitteeActor, CommitteeInput},
    coordinator::{CoordinatorInput, DeliveryKey, Job},
    ports::Inbound,
    runtime::{Actor as _, Fault},
};
use trestle_keys::{
    Committee, Params,
    committee::{Member, Scheme},
};
use trestle_wire::{Ack, Message, Network, Peer};

use chain::Chain;
use checker::{Checker, Violation};
use client::Client;
use faults::{Faults, Lie, Tally};
use node::{Ground, Node, Role};
use ports::{Bitcoind, SimClock};
use store::{Moment, Trouble};

/// How long it takes the network to notice that a connection is gone.
const NOTICED_MS: u64 = 1_500;
/// The committee's name.
pub(crate) const NAME: &str = "vault";

/// Something that happens at a time.
#[expect(clippy::large_enum_variant, reason = "most events are messages and results")]
pub(crate) enum Event {
    /// A message arrives.
    Arrive { to: usize, from: Peer, bytes: Vec<u8>, ack: Option<DeliveryKey> },
    /// The result of a job, for the boot that asked for it.
    Result { node: usize, boot: u64, input: CoordinatorInput },
    /// An actor may be due.
    Wake { node: usize, boot: u64 },
    /// A dead node is started.
    Start { node: usize },
    /// Two nodes find each other.
    Meet { member: usize },
    /// A connection to a member may be lost.
    Part { member: usize },
    /// A cut-off member is reached again.
    Mend { member: usize },
    /// The block feed looks at the chain.
    Feed { boot: u64, number: u64 },
    /// A second has passed: things may go wrong, blocks may come.
    Second,
}

/// Changes what a node says: sender, receiver and message in, what is sent out.
pub(crate) type Tamper = Box<dyn FnMut(usize, usize, Message) -> Vec<Message>>;

/// All of it.
pub(crate) struct World {
    pub(crate) ground: Ground,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) faults: Faults,
    pub(crate) checker: Checker,
    pub(crate) client: Client,
    /// Members that lie, and how.
    pub(crate) lies: BTreeMap<usize, Lie>,
    pub(crate) tamper: Option<Tamper>,
    pub(crate) tally: Tally,
    /// What came for nodes that a test plays: receiver, sender, message.
    pub(crate) inbox: Vec<(usize, Peer, Message)>,
    queue: BTreeMap<(u64, u64), Event>,
    next: u64,
    counter: u64,
    cut: BTreeSet<usize>,
}

impl World {
    /// A world of `n` members of whom `threshold` sign, with nothing wrong, and every node started.
    pub(crate) fn new(seed: u64, n: usize, threshold: usize) -> Self {
        let members = (1..=n).map(|id| Member {
            index: u16::try_from(id).expect("a simulation has few nodes"),
            peer: node::peer(id),
            key: node::key_file(seed, id).identity.committee.xonly(),
        });
        let committee = Committee {
            name: NAME.into(),
            scheme: Scheme::Frost,
            threshold: u16::try_from(threshold).expect("a simulation has few nodes"),
            members: members.collect(),
            coordinators: vec![node::peer(0)],
        };
        let params =
            Params { network: Network::Regtest, committees: vec![committee], staking: None };
        assert_eq!(params.problems(), Vec::<String>::new());
        let ground = Ground {
            seed,
            params: Arc::new(params),
            clock: SimClock::default(),
            bitcoind: Bitcoind::new(Chain::new()),
            settings: node::settings(),
            policy: node::policy(),
        };
        let mut world = Self {
            ground,
            rng: dice::generator(seed, 1),
            now: 0,
            nodes: (0..=n).map(Node::new).collect(),
            faults: Faults::none(),
            checker: Checker::new(threshold),
            client: Client::default(),
            lies: BTreeMap::new(),
            tamper: None,
            tally: Tally::default(),
            inbox: Vec::new(),
            queue: BTreeMap::new(),
            next: 0,
            counter: 0,
            cut: BTreeSet::new(),
        };
        for id in 0..=n {
            world.start(id);
        }
        world.at(1_000, Event::Second);
        world
    }

    pub(crate) fn seed(&self) -> u64 {
        self.ground.seed
    }

    pub(crate) fn members(&self) -> std::ops::Range<usize> {
        1..self.nodes.len()
    }

    pub(crate) fn committee(&self) -> &Committee {
        &self.ground.params.committees[0]
    }

    /// Makes a member a liar from now on.
    pub(crate) fn corrupt(&mut self, member: usize, lie: Lie) {
        self.lies.insert(member, lie);
        self.checker.liars.insert(member);
    }

    /// A member lies no more. What it has done counts as a liar's all the same.
    pub(crate) fn reform(&mut self, member: usize) {
        self.lies.remove(&member);
    }

    /// Dies at the commit of that number, counted from the node's first.
    pub(crate) fn die_at(&mut self, node: usize, commit: u64, moment: Moment) {
        self.nodes[node].store.control().die_at = Some((commit, moment));
    }

    fn at(&mut self, time: u64, event: Event) {
        self.next += 1;
        self.queue.insert((time.max(self.now), self.next), event);
    }

    /// Runs until something holds; `false` if it did not within `limit_ms`.
    pub(crate) fn run_until(&mut self, limit_ms: u64, done: impl Fn(&Self) -> bool) -> bool {
        let limit = self.now + limit_ms;
        while !done(self) {
            let Some((&(time, number), _)) = self.queue.first_key_value() else { return false };
            if time > limit {
                self.now = limit;
                return false;
            }
            self.now = time;
            self.ground.clock.set(time);
            if let Some(event) = self.queue.remove(&(time, number)) {
                self.happen(event);
            }
        }
        true
    }

    pub(crate) fn run(&mut self, ms: u64) {
        self.run_until(ms, |_| false);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { to, from, bytes, ack } => self.arrive(to, from, &bytes, ack),
            Event::Result { node, boot, input } => {
                if self.nodes[node].boot == boot {
                    self.coordinator(input);
                }
            }
            Event::Wake { node, boot } => self.wake(node, boot),
            Event::Start { node } => {
                if !self.nodes[node].is_up() {
                    self.start(node);
                }
            }
            Event::Meet { member } => self.meet(member),
            Event::Part { member } => self.part(member),
            Event::Mend { member } => {
                if self.cut.remove(&member) {
                    self.meet(member);
                }
            }
            Event::Feed { boot, number } => self.feed(boot, number),
            Event::Second => self.second(),
        }
        self.ask_again();
    }

    /// Starts a node's process.
    pub(crate) fn start(&mut self, node: usize) {
        let jobs = self.nodes[node].start(&self.ground);
        self.started(node, jobs);
    }

    /// Puts a node back into the boot it was in. See [`Node::start_again`].
    pub(crate) fn resume(&mut self, node: usize) {
        let jobs = self.nodes[node].start_again(&self.ground);
        self.started(node, jobs);
    }

    fn started(&mut self, node: usize, jobs: Option<Vec<Job>>) {
        match jobs {
            Some(jobs) => {
                self.carry_out(jobs);
                self.plan_wake(node);
                let members = if node == 0 { self.members() } else { node..node + 1 };
                for member in members {
                    self.at(self.now + 10, Event::Meet { member });
                }
            }
            None => self.crashed(node),
        }
    }

    /// Kills a node; it is started again after a while.
    pub(crate) fn kill(&mut self, node: usize, for_ms: u64) {
        self.tally.crashes += 1;
        self.nodes[node].die();
        self.at(self.now + for_ms, Event::Start { node });
        if node != 0 {
            self.at(self.now + NOTICED_MS, Event::Part { member: node });
        }
    }

    fn crashed(&mut self, node: usize) {
        let pause = dice::between(&mut self.rng, 100, 3_000);
        self.kill(node, pause);
    }

    /// Cuts a member off from the coordinator.
    pub(crate) fn cut_off(&mut self, member: usize) {
        self.tally.cuts += 1;
        self.cut.insert(member);
        self.at(self.now + NOTICED_MS, Event::Part { member });
    }

    /// Ends every partition and brings back every node; from now on nothing goes wrong.
    pub(crate) fn heal(&mut self) {
        self.faults = Faults::none();
        for member in std::mem::take(&mut self.cut) {
            self.at(self.now, Event::Meet { member });
        }
        for node in 0..self.nodes.len() {
            self.at(self.now + 10, Event::Start { node });
        }
    }

    fn meet(&mut self, member: usize) {
        if self.cut.contains(&member) || !self.nodes[member].is_up() || !self.nodes[0].is_up() {
            return;
        }
        let (coordinator, peer) = (self.nodes[0].peer, self.nodes[member].peer);
        self.coordinator(CoordinatorInput::Connected(peer));
        self.member(member, CommitteeInput::Connected(coordinator));
    }

    /// The network notices, unless they have found each other again.
    fn part(&mut self, member: usize) {
        if self.nodes[member].is_up() && !self.cut.contains(&member) {
            return;
        }
        let (coordinator, peer) = (self.nodes[0].peer, self.nodes[member].peer);
        self.coordinator(CoordinatorInput::Lost(peer));
        self.member(member, CommitteeInput::Lost(coordinator));
    }

    fn wake(&mut self, node: usize, boot: u64) {
        let one = &mut self.nodes[node];
        if one.boot != boot || one.wake_at != Some(self.now) {
            return;
        }
        one.wake_at = None;
        match &one.role {
            Role::Coordinator(_) => {
                self.coordinator(CoordinatorInput::Tick);
            }
            Role::Member(_) => {
                self.member(node, CommitteeInput::Tick);
            }
            Role::Down | Role::Played => {}
        }
    }

    fn plan_wake(&mut self, node: usize) {
        let now = self.now;
        let one = &mut self.nodes[node];
        let due = match &one.role {
            Role::Coordinator(actor) => actor.next_wake(),
            Role::Member(actor) => actor.next_wake(),
            Role::Down | Role::Played => None,
        };
        let Some(at) = due.map(|at| at.max(now + 1)) else { return };
        if one.wake_at.is_none_or(|planned| planned > at) {
            one.wake_at = Some(at);
            let boot = one.boot;
            self.at(at, Event::Wake { node, boot });
        }
    }

    fn trouble(&mut self, node: usize) {
        if dice::chance(&mut self.rng, self.faults.commit) {
            let kinds = [Trouble::Unavailable, Trouble::UnknownLost, Trouble::UnknownKept];
            let kind = dice::pick(&mut self.rng, &kinds).copied();
            self.tally.commits += 1;
            self.nodes[node].store.control().trouble = kind;
        }
    }

    /// Hands the coordinator an input, and carries out what it asks for.
    pub(crate) fn coordinator(&mut self, input: CoordinatorInput) -> Option<Ack> {
        self.trouble(0);
        let Role::Coordinator(actor) = &mut self.nodes[0].role else { return None };
        let handled = block_on(actor.handle(input));
        let (ack, jobs) = match handled {
            Ok((ack, jobs)) => (Some(ack), Some(jobs)),
            Err(fault) => (None, self.mend_fault(0, fault)),
        };
        self.after(0, None, jobs);
        ack
    }

    /// Hands a member an input.
    pub(crate) fn member(&mut self, node: usize, input: CommitteeInput) -> Option<Ack> {
        self.trouble(node);
        let asked = match &input {
            CommitteeInput::Received(Inbound {
                message: Message::SignRequest(request),
                from,
                ..
            }) => Some((*from, request.clone())),
            CommitteeInput::Received(_)
            | CommitteeInput::Connected(_)
            | CommitteeInput::Lost(_)
            | CommitteeInput::Tip(_)
            | CommitteeInput::Tick => None,
        };
        let store = self.nodes[node].store.clone();
        let Role::Member(actor) = &mut self.nodes[node].role else { return None };
        let away = CommitteeActor::away(&input);
        if store.is_away() {
            // As the runtime does. What it would put aside is lost here.
            if let Some(answer) = away {
                answer(actor, &Fault::Store(store::full()));
            }
            self.after(node, None, Some(Vec::new()));
            return None;
        }
        let handled = block_on(actor.handle(input));
        let (ack, jobs) = match handled {
            Ok(ack) => (Some(ack), Some(Vec::new())),
            Err(fault) => {
                let lives = !store.control().dead && fault.is_recoverable();
                if let Some(answer) = away.filter(|_| lives) {
                    answer(actor, &fault);
                }
                (None, self.mend_fault(node, fault))
            }
        };
        self.after(node, asked, jobs);
        ack
    }

    /// What the runtime does after a fault. `None`: the process is dead.
    fn mend_fault(&mut self, node: usize, fault: Fault) -> Option<Vec<Job>> {
        let one = &mut self.nodes[node];
        if !one.store.control().dead && !fault.is_recoverable() {
            self.checker.found(Violation::Stopped { node, why: fault.to_string() });
            one.die();
            return None;
        }
        if one.store.control().dead {
            one.die();
            return None;
        }
        one.settle(Err(fault))
    }
}
