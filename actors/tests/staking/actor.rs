//! The staking actor with its pipeline, as the node runs it.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use trestle_actors::{
    ports::Inbound,
    runtime::Actor,
    staking::{
        Index, Metrics, Prepared, Settings, StakingActor, StakingInput, StakingJob, ingress,
        pipeline::{self, Means, Pipeline, PipelineInput, Setup},
    },
};
use trestle_staking::pipeline::Phase;
use trestle_wire::{Ack, BootId, Message, MessageId, Refusal};

use crate::world::{
    COORDINATOR, Chain, FlakyStore, Inline, MEMBERS, Mempool, Net, NetPort, Staked, Time, full_key,
    params, params_text, peer,
};

#[tokio::test]
async fn actor__should_take_blocks_requests_and_answers_and_have_the_rest_done() {
    // Given the actor of a coordinator
    let (store, net, time) = (FlakyStore::default(), Arc::new(Net::default()), Time::default());
    let (global, shared) = (Arc::new(params()), Arc::new(store.clone()));
    let (text, settings) = (params_text(), Settings::default());
    let index = Index::load(shared.clone(), Arc::clone(&global), &text, settings).await;
    let index = index.expect("the store is there");
    let held = MEMBERS.map(|member| (full_key(member), peer(member)));
    let pipeline = Pipeline::new(Setup {
        boot: BootId([0; 8]),
        global: Arc::clone(&global),
        members: held.into_iter().collect(),
        store: shared,
        network: Arc::new(NetPort { me: peer(COORDINATOR), net: Arc::clone(&net) }),
        clock: Arc::new(time),
        metrics: pipeline::Metrics::default(),
    });
    let (status, _) = watch::channel(ingress::StakingStatus::default());
    let actor = StakingActor::new(index, Metrics::default(), status);
    let mut actor = actor.with_pipeline(pipeline);
    let jobs = actor.load().await.expect("the store is there");
    assert_eq!(jobs, [StakingJob::Follow { feed: 1 }]);
    // When a stake is two blocks deep and its unbonding requested
    let mut chain = Chain::default();
    let staked = Staked::new(100, 0, &global.versions()[0]);
    chain.mine(vec![staked.transaction.clone()]);
    chain.mine(Vec::new());
    let steps = Prepared::all(&chain.steps(), &global);
    let steps = StakingInput::Steps { feed: 1, steps, room: None };
    assert_eq!(actor.handle(steps).await.expect("stored"), (Ack::Accepted, vec![]));
    assert_eq!(actor.next_wake(), Some(0), "the commit of a group is waited for");
    actor.handle(StakingInput::Tick).await.expect("stored");
    let order = pipeline::check(&store, &Inline, &global, staked.form()).await.expect("good");
    let (reply, answer) = oneshot::channel();
    let accept = StakingInput::Pipeline(PipelineInput::Accept(Box::new(order), reply));
    assert_eq!(actor.handle(accept).await.expect("stored"), (Ack::Accepted, vec![]));
    assert_eq!(answer.await, Ok(Ok(())));
    // Then members are asked, and it wants to hear of time
    for member in MEMBERS {
        let sent = net.sent_to(peer(member));
        assert!(matches!(sent.as_slice(), [Message::UnbondingAsk(_)]), "{sent:?}");
    }
    assert!(actor.next_wake().is_some());
    // And what is of no use here is refused.
    let message = trestle_wire::announce::Presence {
        parameters: None,
        roles: Vec::new(),
        height: 0,
        keys: Vec::new(),
    };
    let inbound = Inbound { from: peer(101), id: MessageId([0; 16]), message: message.into() };
    let ack = actor.handle(StakingInput::Received(inbound)).await.expect("nothing is stored").0;
    assert_eq!(ack, Ack::Refused(Refusal::NoSuchRole));
    // When two answer, verified on the pool
    let means =
        Means { global, compute: Arc::new(Inline), broadcast: Arc::new(Mempool::default()) };
    let mut jobs = Vec::new();
    for member in [101, 102] {
        let message = answer_of(member, &net, &staked);
        let inbound = Inbound { from: peer(member), id: MessageId([0; 16]), message };
        let done = actor.handle(StakingInput::Received(inbound)).await.expect("stored");
        jobs.extend(done.1);
    }
    while let Some(job) = jobs.pop() {
        let StakingJob::Pipeline(job) = job else { panic!("{job:?}") };
        let done = pipeline::carry_out(&means, job).await.expect("nothing stops");
        jobs.extend(actor.handle(StakingInput::Pipeline(done)).await.expect("stored").1);
    }
    // Then it is in the mempool.
    let request = pipeline::request(&store, staked.unbonding_txid()).await;
    let request = request.expect("the store is there").expect("stored");
    assert_eq!(request.phase(), Phase::InMempool);
    let open = pipeline::open_requests(&store, None, 10).await.expect("the store is there");
    assert_eq!(open, [request]);
}

fn answer_of(member: u8, net: &Net, staked: &Staked) -> Message {
    use crate::world::{keypair, sign};
    use trestle_wire::staking::{UnbondingAnswer, UnbondingSigned};
    let asked = net.sent_to(peer(member)).remove(0);
    let Message::UnbondingAsk(ask) = asked else { panic!("{asked:?}") };
    let signature = sign(&keypair(member), staked.unbonding().sighash()).serialize();
    UnbondingSigned { id: ask.id, answers: vec![UnbondingAnswer::Signed(signature)] }.into()
}
