use bitcoin::{Amount, FeeRate, OutPoint, Transaction};
use serde_json::json;
use trestle_actors::ports::{Broadcast, EstimateFee, ReadCoins, chain::Accepted};
use trestle_devnet::Bitcoind as Node;

use crate::{client_of, config_of, must_start};

/// A payment that waits in the mempool.
async fn must_pay(node: &Node) -> Transaction {
    let txid = node.fund(&Node::open_address(), 60_000).await.expect("there are coins");
    node.transaction(txid).await.expect("it waits in the mempool")
}

#[tokio::test]
async fn broadcast__should_be_accepted_again_and_again() {
    let node = must_start().await;
    let tx = must_pay(&node).await;
    let client = client_of(&node);

    let first = client.broadcast(tx.clone()).await;
    let second = client.broadcast(tx.clone()).await;
    node.mine(1).await.expect("bitcoind mines");
    let third = client.broadcast(tx).await;

    let (mempool, confirmed) = (Ok(Accepted::Mempool), Ok(Accepted::Confirmed));
    assert_eq!((first, second, third), (mempool.clone(), mempool, confirmed));
}

#[tokio::test]
async fn broadcast__should_be_rejected_once_its_input_is_spent() {
    let node = must_start().await;
    let tx = must_pay(&node).await;
    let mut conflict = tx.clone();
    conflict.output[0].value -= Amount::from_sat(1_000);
    let client = client_of(&node);
    node.mine(1).await.expect("bitcoind mines");

    let sent = client.broadcast(conflict).await.expect("bitcoind answers");

    let Accepted::Rejected(reason) = sent else { panic!("{sent:?}") };
    assert!(reason.contains("missingorspent") || reason.contains("input"), "{reason}");
}

#[tokio::test]
async fn coins__should_show_that_a_payment_is_spent() {
    let node = must_start().await;
    let tx = must_pay(&node).await;
    let spent = tx.input[0].previous_output;
    node.mine(1).await.expect("bitcoind mines");
    let made = OutPoint { txid: tx.compute_txid(), vout: 0 };

    let view = client_of(&node).coins(vec![spent, made]).await.expect("bitcoind answers");

    let values: Vec<_> =
        view.coins.into_iter().map(|coin| coin.map(|coin| coin.value.to_sat())).collect();
    assert_eq!(values, [None, Some(60_000)]);
}

#[tokio::test]
async fn fee_rate__should_fall_back_on_a_chain_without_history() {
    let node = must_start().await;
    let client = client_of(&node);

    let rate = client.fee_rate(2).await.expect("bitcoind answers");

    assert_eq!(rate, config_of(&node).fallback_fee);
    assert!(rate >= FeeRate::BROADCAST_MIN);
}

#[tokio::test]
async fn call__should_give_any_method_its_type() {
    let node = must_start().await;

    let count: u32 = client_of(&node).call("getblockcount", json!([])).await.expect("it answers");
    let error = client_of(&node).call::<u32>("nosuchmethod", json!([])).await;

    assert_eq!(count, 0);
    let error = error.expect_err("there is no such method");
    assert!(error.to_string().contains("nosuchmethod"), "{error}");
}
