//! A member: its own index, the real actor behind it, and how it lies.

use std::sync::Arc;

use bitcoin::{
    Transaction,
    consensus::encode::deserialize,
    hashes::Hash,
    secp256k1::{Message as Digest, Secp256k1},
};
use trestle_actors::{
    covenant::{self, CovenantActor, CovenantInput, LocalSigner, Means, Metrics, Setup},
    ports::{Inbound, SignUnbonding, TrustedTip},
    staking::{Index, Prepared, Settings},
};
use trestle_keys::identity::CommitteeKey;
use trestle_staking::{GlobalParams, tx::Unbonding};
use trestle_wire::{
    Ack, Message, MessageId, Peer, SessionId,
    staking::{AskedUnbonding, UnbondingAnswer, UnbondingAsk, UnbondingRefusal, UnbondingSigned},
};

use super::{COORDINATOR, Chain, FlakyStore, Inline, Net, NetPort, keypair, params_text, peer};

/// What a member does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// What it should.
    Honest,
    /// Nothing.
    Silent,
    /// Sends bytes that are no signature.
    Garbage,
    /// Sends the good signature of another member as its own.
    Foreign(u8),
    /// Leaves the last answer out.
    Short,
    /// Answers twice, each time with another good signature.
    Equivocating,
    /// Refuses with this reason.
    Refusing(UnbondingRefusal),
    /// Answers under another number than it was asked under.
    Misnumbering,
}

pub(crate) struct Member {
    pub(crate) number: u8,
    pub(crate) behaviour: Behaviour,
    pub(crate) store: FlakyStore,
    pub(crate) metrics: Metrics,
    pub(crate) actor: CovenantActor,
    pub(crate) means: Means,
    index: Index,
    params: Arc<GlobalParams>,
    net: Arc<Net>,
}

impl Member {
    pub(crate) async fn start(
        number: u8,
        params: &Arc<GlobalParams>,
        net: &Arc<Net>,
        chain: Arc<dyn TrustedTip>,
    ) -> Self {
        let store = FlakyStore::default();
        let shared = Arc::new(store.clone());
        let (global, text) = (Arc::clone(params), params_text());
        let index = Index::load(shared.clone(), global, &text, Settings::default()).await;
        let metrics = Metrics::default();
        let setup = Setup {
            coordinators: [peer(COORDINATOR)].into(),
            max_staking_height: 1_000,
            store: shared,
            network: Arc::new(NetPort { me: peer(number), net: Arc::clone(net) }),
            chain,
            metrics: metrics.clone(),
        };
        let key = CommitteeKey::from_bytes(&[number; 32]).expect("small and not zero");
        let signer: Arc<dyn SignUnbonding> = Arc::new(LocalSigner::new(&key, Arc::new(Inline)));
        let means = Means {
            global: Arc::clone(params),
            compute: Arc::new(Inline),
            signer,
            metrics: metrics.clone(),
        };
        Self {
            number,
            behaviour: Behaviour::Honest,
            store,
            metrics,
            actor: CovenantActor::new(setup),
            means,
            index: index.expect("the store is there"),
            params: Arc::clone(params),
            net: Arc::clone(net),
        }
    }

    pub(crate) async fn sync(&mut self, chain: &Chain) {
        while let Some(step) = chain.step(&self.index) {
            let planned = self.index.plan(Prepared::all(&[step], &self.params)).await;
            self.index.commit(planned.expect("a good chain")).await.expect("the store is there");
        }
    }

    pub(crate) async fn receive(&mut self, from: Peer, message: Message) {
        let Message::UnbondingAsk(ask) = &message else { return };
        let lie = match self.behaviour {
            Behaviour::Honest => {
                self.ask(from, message).await;
                return;
            }
            Behaviour::Silent => return,
            Behaviour::Garbage => answers(ask, |_| UnbondingAnswer::Signed([7; 64])),
            Behaviour::Foreign(other) => answers(ask, |one| self.sign(other, one, 0)),
            Behaviour::Refusing(why) => answers(ask, |_| UnbondingAnswer::Refused(why)),
            Behaviour::Short => {
                let mut short = answers(ask, |one| self.sign(self.number, one, 0));
                short.answers.pop();
                short
            }
            Behaviour::Equivocating => {
                let first = answers(ask, |one| self.sign(self.number, one, 1));
                self.net.send(peer(self.number), from, first.into());
                answers(ask, |one| self.sign(self.number, one, 2))
            }
            Behaviour::Misnumbering => {
                let mut other = answers(ask, |one| self.sign(self.number, one, 0));
                other.id = SessionId([0x77; 16]);
                other
            }
        };
        self.net.send(peer(self.number), from, lie.into());
    }

    /// Hands a message to the actor, and carries out what it wants.
    pub(crate) async fn ask(&mut self, from: Peer, message: Message) -> Ack {
        let inbound = Inbound { from, id: MessageId([0; 16]), message };
        self.handle(CovenantInput::Received(inbound)).await
    }

    pub(crate) async fn handle(&mut self, input: CovenantInput) -> Ack {
        let Ok((ack, jobs)) = self.actor.handle(input).await else {
            self.actor.reset();
            return Ack::Busy;
        };
        for job in jobs {
            let done = covenant::carry_out(&self.means, job).await.expect("nothing stops");
            if self.actor.handle(done).await.is_err() {
                self.actor.reset();
            }
        }
        ack
    }

    /// A signature without any check.
    fn sign(&self, number: u8, asked: &AskedUnbonding, aux: u8) -> UnbondingAnswer {
        let transaction: Transaction = deserialize(&asked.transaction).expect("from a coordinator");
        let params = self.params.versions().iter().find_map(|params| {
            let staking = bitcoin::Txid::from_byte_array(asked.staking);
            let stake = self.index_stake(staking, params.version)?;
            let unbonding = Unbonding::new(&stake, params).ok()?;
            (unbonding.transaction().compute_txid() == transaction.compute_txid())
                .then(|| unbonding.sighash())
        });
        let digest = Digest::from_digest(params.expect("a stake that was mined"));
        let curve = Secp256k1::new();
        let signature = curve.sign_schnorr_with_aux_rand(&digest, &keypair(number), &[aux; 32]);
        UnbondingAnswer::Signed(signature.serialize())
    }

    fn index_stake(&self, staking: bitcoin::Txid, version: u64) -> Option<trestle_staking::Stake> {
        let row = futures::executor::block_on(self.index.delegation(staking)).ok()??.1;
        row.stake(staking).filter(|stake| stake.params_version == version)
    }
}

fn answers(
    ask: &UnbondingAsk,
    answer: impl Fn(&AskedUnbonding) -> UnbondingAnswer,
) -> UnbondingSigned {
    UnbondingSigned { id: ask.id, answers: ask.unbondings.iter().map(answer).collect() }
}
