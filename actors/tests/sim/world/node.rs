//! A node: what survives a crash, and the actor that does not.

use std::sync::Arc;

use bitcoin::{Amount, FeeRate};
use futures::executor::block_on;
use tokio::sync::broadcast;
use trestle_actors::{
    committee::{self, CommitteeActor, Policy, RecipientRule},
    coordinator::{self, CoordinatorActor, Job, Settings},
    ports::chain::Tip,
    runtime::Fault,
    vault::Vault,
};
use trestle_chain::policy::Window;
use trestle_keys::{Params, sealed::KeyFile};
use trestle_store::memory::MemoryStore;
use trestle_wire::{BootId, Network, Peer};

use super::{
    dice,
    ports::{AtOnce, Bitcoind, OutTray, SimClock},
    store::SimStore,
};

/// What a node runs.
pub(crate) enum Role {
    /// The process is dead.
    Down,
    /// The coordinator.
    Coordinator(Box<CoordinatorActor>),
    /// A member.
    Member(Box<CommitteeActor>),
    /// No actor: a test plays this node itself.
    Played,
}

/// Where a coordinator's block feed stands.
pub(crate) struct Feed {
    pub(crate) committee: String,
    pub(crate) number: u64,
    pub(crate) start: u32,
    pub(crate) at: Option<Tip>,
}

/// One node.
pub(crate) struct Node {
    /// 0 is the coordinator, every other number a member's index.
    pub(crate) id: usize,
    pub(crate) peer: Peer,
    pub(crate) store: SimStore,
    pub(crate) out: OutTray,
    pub(crate) boot: u64,
    pub(crate) role: Role,
    pub(crate) wake_at: Option<u64>,
    pub(crate) feed: Option<Feed>,
    pub(crate) committee_metrics: committee::Metrics,
}

/// What all nodes share.
pub(crate) struct Ground {
    pub(crate) seed: u64,
    pub(crate) params: Arc<Params>,
    pub(crate) clock: SimClock,
    pub(crate) bitcoind: Bitcoind,
    pub(crate) settings: Settings,
    pub(crate) policy: Policy,
}

/// The secrets of a member: the same in every boot.
pub(crate) fn key_file(seed: u64, id: usize) -> KeyFile {
    KeyFile::generate(&mut dice::generator(seed, 1_000 + id as u64))
}

pub(crate) fn peer(id: usize) -> Peer {
    Peer([u8::try_from(id + 1).expect("a simulation has few nodes"); 32])
}

pub(crate) fn settings() -> Settings {
    Settings {
        network: Network::Regtest,
        dkg_deadline_ms: 10_000,
        dkg_attempts: 3,
        sign_deadline_ms: 10_000,
        sign_grace_ms: 1_000,
        nonce_pool: 8,
        min_confirmations: 1,
        settle_depth: 6,
        bump_after: 3,
        max_versions: 5,
        max_fee: Amount::from_sat(60_000),
        max_fee_rate: FeeRate::from_sat_per_vb_u32(100),
        retry_ms: 2_000,
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        recipients: RecipientRule::Any,
        max_fee: Amount::from_sat(100_000),
        max_fee_rate: FeeRate::from_sat_per_vb_u32(200),
        max_payment: Amount::from_sat(10_000_000),
        window: Window { blocks: 100, amount: Amount::from_sat(100_000_000) },
        min_confirmations: 1,
        text_prefixes: vec!["trestle:".into()],
    }
}

impl Node {
    pub(crate) fn new(id: usize) -> Self {
        Self {
            id,
            peer: peer(id),
            store: SimStore::new(MemoryStore::new()),
            out: OutTray::default(),
            boot: 0,
            role: Role::Down,
            wake_at: None,
            feed: None,
            committee_metrics: committee::Metrics::default(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        !matches!(self.role, Role::Down)
    }

    pub(crate) fn boot_id(&self) -> BootId {
        BootId(self.boot.to_be_bytes())
    }

    /// Starts the process in a new boot. `None` if it died while it read its state.
    pub(crate) fn start(&mut self, ground: &Ground) -> Option<Vec<Job>> {
        self.boot += 1;
        self.start_again(ground)
    }

    /// Starts the process in the boot that it was in, as a machine does that is put back to a copy
    /// of its memory: the generator gives the same numbers as then.
    pub(crate) fn start_again(&mut self, ground: &Ground) -> Option<Vec<Job>> {
        self.store.control().dead = false;
        self.out.take();
        let loaded = if self.id == 0 {
            let mut actor = self.coordinator(ground);
            let loaded = block_on(actor.load());
            self.role = Role::Coordinator(Box::new(actor));
            loaded
        } else {
            let mut actor = self.member(ground);
            let loaded = block_on(actor.load());
            self.role = Role::Member(Box::new(actor));
            loaded.map(|()| Vec::new())
        };
        self.settle(loaded)
    }

    /// What a load gave; tried again as the runtime does while the store is away.
    pub(crate) fn settle(&mut self, mut loaded: Result<Vec<Job>, Fault>) -> Option<Vec<Job>> {
        for _ in 0..5 {
            match loaded {
                Ok(jobs) => return Some(jobs),
                Err(_) if self.store.control().dead => break,
                Err(fault) if fault.is_recoverable() => {
                    loaded = match &mut self.role {
                        Role::Coordinator(actor) => block_on(actor.load()),
                        Role::Member(actor) => block_on(actor.load()).map(|()| Vec::new()),
                        Role::Down | Role::Played => Ok(Vec::new()),
                    };
                }
                Err(fault) => panic!("node {} cannot read its own state: {fault}", self.id),
            }
        }
        self.die();
        None
    }

    pub(crate) fn die(&mut self) {
        self.role = Role::Down;
        self.feed = None;
        self.wake_at = None;
    }

    fn coordinator(&self, ground: &Ground) -> CoordinatorActor {
        CoordinatorActor::new(coordinator::Setup {
            params: Arc::clone(&ground.params),
            me: self.peer,
            boot: self.boot_id(),
            settings: ground.settings.clone(),
            store: Arc::new(self.store.clone()),
            network: Arc::new(self.out.clone()),
            clock: Arc::new(ground.clock.clone()),
            metrics: coordinator::Metrics::default(),
            events: broadcast::channel(1).0,
        })
    }

    fn member(&self, ground: &Ground) -> CommitteeActor {
        let stream = 10_000 + self.boot * 100 + self.id as u64;
        let keys = Arc::new(key_file(ground.seed, self.id));
        let vault = Vault::new(keys, dice::generator(ground.seed, stream));
        CommitteeActor::new(committee::Setup {
            params: Arc::clone(&ground.params),
            me: self.peer,
            boot: self.boot_id(),
            vault,
            policy: ground.policy.clone(),
            store: Arc::new(self.store.clone()),
            network: Arc::new(self.out.clone()),
            coins: Arc::new(ground.bitcoind.clone()),
            compute: Arc::new(AtOnce),
            clock: Arc::new(ground.clock.clone()),
            metrics: self.committee_metrics.clone(),
        })
    }
}
