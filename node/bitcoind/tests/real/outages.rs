use std::time::Duration;

use tokio::sync::watch;
use trestle_actors::{follower::FeedStatus, ports::chain::ChainStatus};

use crate::{client_of, follow::Follower, must_start};

fn connected(status: &ChainStatus) -> bool {
    matches!(status, ChainStatus::Connected { .. })
}

#[tokio::test]
async fn restart__should_be_seen_and_survived() {
    let mut node = must_start().await;
    let mined = node.mine(20).await.expect("bitcoind mines");
    let client = client_of(&node);
    let (sender, mut chain) = watch::channel(ChainStatus::Unknown);
    let watching = tokio::spawn(client.clone().watch(Duration::from_millis(20), sender));
    let mut follower = Follower::must_start(&client).await;
    follower.must_reach(mined[19]).await;
    chain.wait_for(connected).await.expect("it is being watched");
    let mut feed = follower.feed.status();

    node.stop().await.expect("bitcoind ends");
    let lost = |status: &ChainStatus| matches!(status, ChainStatus::Unreachable(_));
    chain.wait_for(lost).await.expect("it is being watched");
    let retrying = |status: &FeedStatus| matches!(status, FeedStatus::Retrying(_));
    feed.wait_for(retrying).await.expect("the feed lives");

    node.restart().await.expect("bitcoind starts again");
    let mined = node.mine(5).await.expect("bitcoind mines");
    follower.must_reach(mined[4]).await;
    let at_tip = |status: &ChainStatus| matches!(status, ChainStatus::Connected { tip, .. } if tip.hash == mined[4]);
    chain.wait_for(at_tip).await.expect("it is being watched");
    let following = |status: &FeedStatus| matches!(status, FeedStatus::Following(_));
    feed.wait_for(following).await.expect("the feed lives");

    assert_eq!(follower.branch.len(), 26);
    watching.abort();
}

#[tokio::test]
async fn watch__should_end_when_nobody_listens() {
    let node = must_start().await;
    let (sender, status) = watch::channel(ChainStatus::Unknown);
    let watching = tokio::spawn(client_of(&node).watch(Duration::from_millis(20), sender));

    drop(status);

    watching.await.expect("the watcher ends by itself");
}
