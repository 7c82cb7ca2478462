//! From the accepted request to the chain.

use trestle_actors::{ports::chain::Accepted, staking::pipeline};
use trestle_staking::{
    delegation::StateName,
    pipeline::{Outlook, Phase},
};
use trestle_wire::{Message, staking::UnbondingRefusal};

use crate::world::{Behaviour, FIRST, MEMBERS, Staked, Verdict, World, peer};

/// A world with one active stake whose unbonding was requested and is in the mempool.
async fn requested() -> (World, Staked) {
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    assert_eq!(world.request(staked.form()).await, Ok(()));
    (world, staked)
}

fn rejected(reason: &str) -> Option<Verdict> {
    Some(Verdict::Answer(Accepted::Rejected(reason.into())))
}

fn asks(world: &World, number: u8) -> Vec<usize> {
    let sent = world.net.sent_to(peer(number)).into_iter();
    let size = |message| {
        if let Message::UnbondingAsk(ask) = message { Some(ask.unbondings.len()) } else { None }
    };
    sent.filter_map(size).collect()
}

/// The reference services' metrics, as they are scraped.
fn scraped(world: &mut World) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    world.coordinator.metrics.register_compatible(&mut registry);
    world.member(101).metrics.register_compatible(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("a String grows");
    text
}

#[tokio::test]
async fn request__should_reach_the_chain_by_itself() {
    // Given an accepted request
    let (mut world, staked) = requested().await;
    let unbonding = staked.unbonding_txid();
    // Then it is signed by a quorum and in the mempool
    assert_eq!(world.phase(unbonding).await, Some(Phase::InMempool));
    let sent = world.mempool.get(unbonding).expect("in the mempool");
    let signatures = sent.input[0].witness.iter().take(3).filter(|item| item.len() == 64);
    assert_eq!(signatures.count(), 2);
    let state = world.coordinator.state(staked.txid()).await;
    assert_eq!(state, Some(StateName::UnbondingRequested));
    // When it is mined, two blocks deep
    world.mine_mempool().await;
    assert_eq!(world.phase(unbonding).await, Some(Phase::InMempool));
    world.mine_empty(1).await;
    // Then it is over
    assert_eq!(world.phase(unbonding).await, Some(Phase::Confirmed));
    let state = world.coordinator.state(staked.txid()).await;
    assert_eq!(state, Some(StateName::Unbonding));
    assert!(world.coordinator.pipeline.open().is_empty());
    assert_eq!(world.coordinator.next_wake(), None);
}

#[tokio::test]
async fn many_requests__should_go_to_each_member_in_few_messages() {
    // Given that the members are away when the unbondings of 60 stakes are requested
    let mut world = World::new().await;
    let stakes = world.stake(60).await;
    for member in MEMBERS {
        world.behave(member, Behaviour::Silent);
    }
    for staked in &stakes {
        assert_eq!(world.request(staked.form()).await, Ok(()));
    }
    // When the members are there again
    for member in MEMBERS {
        world.behave(member, Behaviour::Honest);
        world.coordinator.connected(peer(member)).await;
    }
    let before: Vec<usize> = MEMBERS.map(|member| asks(&world, member).len()).to_vec();
    world.run().await;
    // Then all that waited went in one message, overflow stakes too
    for (member, before) in MEMBERS.into_iter().zip(before) {
        let asked = asks(&world, member);
        assert_eq!(asked.len(), before);
        assert_eq!(asked.last(), Some(&60));
    }
    for staked in &stakes {
        assert_eq!(world.phase(staked.unbonding_txid()).await, Some(Phase::InMempool));
    }
}

#[tokio::test]
async fn silent_member__should_not_be_missed_and_its_silence_counted() {
    let mut world = World::new().await;
    world.behave(102, Behaviour::Silent);
    let staked = world.stake(1).await.remove(0);

    assert_eq!(world.request(staked.form()).await, Ok(()));

    assert_eq!(world.phase(staked.unbonding_txid()).await, Some(Phase::InMempool));
    // And when the time for its answer is over
    let line = format!(
        "number_of_failed_signing_requests{{covenant_pk=\"{}\"}}",
        hex::encode(crate::world::full_key(102))
    );
    assert!(scraped(&mut world).contains(&format!("\n{line} 0\n")));
    world.wait(30_000).await;
    assert!(scraped(&mut world).contains(&format!("\n{line} 1\n")));
}

#[tokio::test]
async fn members_that_come_back__should_be_asked_again_by_themselves() {
    // Given two of three members are away
    let mut world = World::new().await;
    world.behave(101, Behaviour::Silent);
    world.behave(102, Behaviour::Silent);
    let staked = world.stake(1).await.remove(0);
    assert_eq!(world.request(staked.form()).await, Ok(()));
    world.wait(100_000).await;
    assert_eq!(world.phase(staked.unbonding_txid()).await, Some(Phase::Collecting));
    // When one is back
    world.behave(101, Behaviour::Honest);
    world.wait(600_000).await;
    // Then
    assert_eq!(world.phase(staked.unbonding_txid()).await, Some(Phase::InMempool));
}

#[tokio::test]
async fn refusals__should_be_kept_with_their_reason_and_the_lost_quorum_counted_once() {
    let mut world = World::new().await;
    world.behave(101, Behaviour::Refusing(UnbondingRefusal::SignerUnavailable));
    world.behave(102, Behaviour::Refusing(UnbondingRefusal::Chain));
    let staked = world.stake(1).await.remove(0);

    assert_eq!(world.request(staked.form()).await, Ok(()));
    world.wait(10_000).await;

    let request = world.coordinator.stored(staked.unbonding_txid()).await.expect("kept");
    let mut reasons: Vec<_> = request.complaints().values().map(|held| held.refused).collect();
    reasons.sort();
    let expected = [UnbondingRefusal::SignerUnavailable, UnbondingRefusal::Chain];
    assert_eq!(reasons, expected.map(Some));
    assert_eq!(world.coordinator.metrics.no_quorum.get(), 1);
    // And when they can sign, they do.
    world.behave(101, Behaviour::Honest);
    world.wait(60_000).await;
    assert_eq!(world.phase(staked.unbonding_txid()).await, Some(Phase::InMempool));
}

#[tokio::test]
async fn fee_below_the_minimum__should_be_stuck_with_both_rates_until_it_goes_through() {
    // Given bitcoind wants twice the fixed fee
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    let unbonding = staked.unbonding_txid();
    world.mempool.rule(unbonding, rejected("mempool min fee not met, 500 < 1000"));
    // When
    assert_eq!(world.request(staked.form()).await, Ok(()));
    // Then
    assert_eq!(world.phase(unbonding).await, Some(Phase::Stuck));
    let request = world.coordinator.stored(unbonding).await.expect("kept");
    let Outlook::Stuck(rates) = request.outlook() else { panic!("{:?}", request.outlook()) };
    assert_eq!(rates.minimum.map(|minimum| minimum / 2), Some(rates.ours));
    // And it is sent again until the minimum has fallen.
    world.wait(200_000).await;
    assert_eq!(world.mempool.broadcasts(unbonding), 4);
    world.mempool.rule(unbonding, None);
    world.wait(60_000).await;
    assert_eq!(world.phase(unbonding).await, Some(Phase::InMempool));
    assert_eq!(world.coordinator.metrics.sent.get(), 1);
    assert_eq!(world.coordinator.metrics.refused.get(), 1);
}

#[tokio::test]
async fn bad_request__should_hold_up_no_other() {
    // Given bitcoind is away for one transaction and refuses another
    let mut world = World::new().await;
    let stakes = world.stake(3).await;
    world.mempool.rule(stakes[0].unbonding_txid(), Some(Verdict::Unreachable));
    world.mempool.rule(stakes[1].unbonding_txid(), rejected("non-final"));
    // When
    for staked in &stakes {
        assert_eq!(world.request(staked.form()).await, Ok(()));
    }
    // Then the third is sent
    let phases = [
        world.phase(stakes[0].unbonding_txid()).await,
        world.phase(stakes[1].unbonding_txid()).await,
        world.phase(stakes[2].unbonding_txid()).await,
    ];
    let expected = [Phase::Broadcasting, Phase::Broadcasting, Phase::InMempool];
    assert_eq!(phases, expected.map(Some));
    // And the others when they can be.
    world.mempool.rule(stakes[0].unbonding_txid(), None);
    world.mempool.rule(stakes[1].unbonding_txid(), None);
    world.wait(70_000).await;
    assert_eq!(world.phase(stakes[0].unbonding_txid()).await, Some(Phase::InMempool));
    assert_eq!(world.phase(stakes[1].unbonding_txid()).await, Some(Phase::InMempool));
}

#[tokio::test]
async fn transaction_in_the_mempool__should_be_sent_again_now_and_then() {
    let (mut world, staked) = requested().await;

    world.wait(3_600_000).await;

    assert_eq!(world.mempool.broadcasts(staked.unbonding_txid()), 7);
}

#[tokio::test]
async fn stake_spent_by_something_else__should_end_the_request() {
    // Given a request whose transaction bitcoind does not take, because the stake is slashed
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    let unbonding = staked.unbonding_txid();
    world.mempool.rule(unbonding, rejected("bad-txns-inputs-missingorspent"));
    assert_eq!(world.request(staked.form()).await, Ok(()));
    assert_eq!(world.phase(unbonding).await, Some(Phase::Broadcasting));
    // When that is deep
    world.mine(vec![staked.slashing()]).await;
    world.mine_empty(1).await;
    // Then
    assert_eq!(world.phase(unbonding).await, Some(Phase::InputSpent));
    assert_eq!(world.coordinator.next_wake(), None);
    let state = world.coordinator.state(staked.txid()).await;
    assert_eq!(state, Some(StateName::Slashed));
}

#[tokio::test]
async fn lock_that_ends_first__should_end_the_request() {
    // Given a request that nobody signs
    let mut world = World::new().await;
    for member in MEMBERS {
        world.behave(member, Behaviour::Silent);
    }
    let params = world.params.versions()[0].clone();
    let staked = Staked::with(world.chain.next(), 0, 20_000, 10, &params);
    world.mine(vec![staked.transaction.clone()]).await;
    world.mine_empty(1).await;
    assert_eq!(world.request(staked.form()).await, Ok(()));
    // When the lock ends
    world.mine_empty(10).await;
    // Then
    assert_eq!(world.phase(staked.unbonding_txid()).await, Some(Phase::Expired));
    assert!(world.coordinator.pipeline.open().is_empty());
}

#[tokio::test]
async fn stake_moved_under_the_same_parameters__should_keep_its_signatures() {
    // Given a finished transaction
    let (mut world, staked) = requested().await;
    let unbonding = staked.unbonding_txid();
    let before = world.coordinator.stored(unbonding).await.expect("kept");
    let asked = MEMBERS.map(|member| asks(&world, member).len());
    // When the stake's block is lost
    world.chain.forget(2);
    world.mine_empty(1).await;
    // Then the request waits
    world.mine_empty(2).await;
    assert_eq!(world.phase(unbonding).await, Some(Phase::Waiting));
    assert_eq!(world.coordinator.next_wake(), None);
    // And when the stake is there again, higher, it is sent without asking anybody.
    world.mine(vec![staked.transaction.clone()]).await;
    world.mine_empty(1).await;
    assert_eq!(world.phase(unbonding).await, Some(Phase::InMempool));
    let after = world.coordinator.stored(unbonding).await.expect("kept");
    assert_eq!(after.signed(), before.signed());
    assert_eq!(after.order().height(), FIRST + 4);
    assert_eq!(MEMBERS.map(|member| asks(&world, member).len()), asked);
    let state = world.coordinator.state(staked.txid()).await;
    assert_eq!(state, Some(StateName::UnbondingRequested));
}

#[tokio::test]
async fn stake_moved_under_other_parameters__should_have_to_be_requested_anew() {
    // Given a stake in the last block before the fee changes
    let mut world = World::new().await;
    world.mine_empty(28).await;
    assert_eq!(world.chain.next(), 129);
    let staked = world.stake(1).await.remove(0);
    assert_eq!(world.request(staked.form()).await, Ok(()));
    let old = staked.unbonding_txid();
    assert_eq!(world.phase(old).await, Some(Phase::InMempool));
    // When a reorganisation moves it two blocks up
    world.chain.forget(2);
    world.mine_empty(2).await;
    world.mine(vec![staked.transaction.clone()]).await;
    world.mine_empty(1).await;
    // Then the old request is dropped, and the delegation active
    assert_eq!(world.phase(old).await, Some(Phase::Dropped));
    let state = world.coordinator.state(staked.txid()).await;
    assert_eq!(state, Some(StateName::Active));
    // And it can still be looked up by its stake.
    let dropped = pipeline::dropped(&world.coordinator.store, staked.txid()).await;
    assert_eq!(dropped.expect("an answer").map(|request| request.txid()), Some(old));
    // And one with the new fee goes its way.
    let params = world.params.versions()[1].clone();
    let mut moved = staked.clone();
    moved.stake.params_version = 1;
    moved.params = params;
    assert_ne!(moved.unbonding_txid(), old);
    assert_eq!(world.request(moved.form()).await, Ok(()));
    assert_eq!(world.phase(moved.unbonding_txid()).await, Some(Phase::InMempool));
}

#[tokio::test]
async fn confirmed_request__should_open_again_when_its_block_is_lost() {
    // Given a request that is over
    let (mut world, staked) = requested().await;
    let unbonding = staked.unbonding_txid();
    world.mine_mempool().await;
    world.mine_empty(1).await;
    assert_eq!(world.phase(unbonding).await, Some(Phase::Confirmed));
    // When both blocks are lost, and the node was restarted in between
    world.coordinator.restart().await;
    assert!(world.coordinator.pipeline.open().is_empty());
    world.chain.forget(2);
    world.mine_empty(3).await;
    // Then it is sent again, as it was
    assert_eq!(world.phase(unbonding).await, Some(Phase::InMempool));
    assert!(world.mempool.get(unbonding).is_some());
    world.mine_mempool().await;
    world.mine_empty(1).await;
    assert_eq!(world.phase(unbonding).await, Some(Phase::Confirmed));
}

#[tokio::test]
async fn metrics__should_have_the_names_that_dashboards_know() {
    // Given
    let mut world = World::new().await;
    world.behave(103, Behaviour::Garbage);
    let staked = world.stake(1).await.remove(0);
    assert_eq!(world.request(staked.form()).await, Ok(()));
    // When
    let text = scraped(&mut world);
    // Then
    let key = |member| hex::encode(crate::world::full_key(member));
    for line in [
        format!("number_of_successful_signing_requests{{covenant_pk=\"{}\"}} 1", key(101)),
        format!("number_of_failed_signing_requests{{covenant_pk=\"{}\"}} 0", key(101)),
        "number_of_successful_unbonding_transactions 1".into(),
        "number_of_failed_unbonding_transactions 0".into(),
        "number_of_failed_covenant_quorums 0".into(),
        "signer_received_signing_requests 1".into(),
        "signer_succeeded_signing_requests 1".into(),
        "signer_failed_signing_requests 0".into(),
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is not in\n{text}");
    }
}
