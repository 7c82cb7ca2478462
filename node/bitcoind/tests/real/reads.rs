use bitcoin::{BlockHash, Network, OutPoint, Txid, hashes::Hash};
use serde_json::json;
use tokio::sync::watch;
use trestle_actors::ports::{ChainError, ReadChain, ReadCoins, chain::ChainStatus};
use trestle_bitcoind::{Auth, Bitcoind, CheckError, Config, MIN_VERSION, Secret};
use trestle_chain::headers::check_run;
use trestle_devnet::{Bitcoind as Node, Options};

use crate::{client_of, config_of, must_start};

#[tokio::test]
async fn reads__should_agree_with_the_node() {
    let node = must_start().await;
    let mined = node.mine(30).await.expect("bitcoind mines");
    let client = client_of(&node);

    let tip = client.tip().await.expect("bitcoind answers");
    let headers = client.headers(1, 2_000).await.expect("bitcoind answers");
    let above = client.headers(31, 5).await.expect("bitcoind answers");
    let block = client.block(mined[17]).await.expect("bitcoind answers");

    assert_eq!((tip.height, Some(&tip.hash)), (30, mined.last()));
    assert_eq!(check_run(None, 1, &headers), Ok(mined.clone()));
    assert!(above.is_empty());
    assert_eq!((block.block_hash(), block.check_merkle_root()), (mined[17], true));
}

#[tokio::test]
async fn blocks__should_come_in_the_order_asked_or_not_at_all() {
    let node = must_start().await;
    let mut asked = node.mine(16).await.expect("bitcoind mines");
    asked.reverse();
    let client = client_of(&node);

    let blocks = client.blocks(asked.clone()).await.expect("bitcoind answers");
    let none = client.blocks(Vec::new()).await;
    asked[5] = BlockHash::all_zeros();
    let missing = client.blocks(asked.clone()).await;

    asked.truncate(5);
    assert_eq!(blocks.len(), 16);
    assert_eq!(blocks.iter().map(|b| b.block_hash()).take(5).collect::<Vec<_>>(), asked);
    assert_eq!(none, Ok(Vec::new()));
    assert!(matches!(missing, Err(ChainError::NotFound(_))), "{missing:?}");
}

#[tokio::test]
async fn block__should_be_not_found_where_bitcoind_does_not_know_it() {
    let node = must_start().await;

    let block = client_of(&node).block(BlockHash::all_zeros()).await;

    assert!(matches!(block, Err(ChainError::NotFound(_))), "{block:?}");
}

#[tokio::test]
async fn block__should_be_pruned_where_bitcoind_threw_it_away() {
    let node = Node::start(Options::default().pruned()).await.expect("bitcoind starts");
    let mined = node.mine(1_000).await.expect("bitcoind mines");
    node.rpc("pruneblockchain", json!([700])).await.expect("bitcoind prunes");
    let client = client_of(&node);

    let info = client.check().await.expect("bitcoind answers");
    let gone = client.block(mined[0]).await;
    let kept = client.block(mined[999]).await;

    assert!(info.lacks(1) && !info.lacks(999), "{info:?}");
    assert_eq!(gone, Err(ChainError::Pruned(mined[0])));
    assert!(kept.is_ok(), "{kept:?}");
}

#[tokio::test]
async fn coins__should_be_of_one_tip_without_the_mempool() {
    let node = must_start().await;
    let address = Node::open_address();
    let confirmed = node.fund(&address, 70_000).await.expect("there are coins");
    node.mine(3).await.expect("bitcoind mines");
    let waiting = node.fund(&address, 80_000).await.expect("there are coins");
    let unknown = Txid::all_zeros();
    let client = client_of(&node);

    let outpoints = [confirmed, waiting, unknown].map(|txid| OutPoint { txid, vout: 0 });
    let view = client.coins(outpoints.to_vec()).await.expect("bitcoind answers");

    let tip = client.tip().await.expect("bitcoind answers");
    assert_eq!((view.tip, &view.coins[1..]), (tip, [None, None].as_slice()));
    let coin = view.coins[0].as_ref().expect("it is confirmed and unspent");
    assert_eq!(coin.script, address.script_pubkey());
    assert_eq!((coin.value.to_sat(), coin.confirmations, coin.coinbase), (70_000, 3, false));
}

#[tokio::test]
async fn coins__should_come_by_the_thousand() {
    let node = must_start().await;
    let mined = node.mine(20).await.expect("bitcoind mines");
    let client = client_of(&node);
    let coinbase = client.block(mined[0]).await.expect("bitcoind answers").txdata[0].compute_txid();

    let view = client.coins(vec![OutPoint { txid: coinbase, vout: 0 }; 1_000]).await;

    let coins = view.expect("bitcoind answers").coins;
    assert_eq!(coins.len(), 1_000);
    assert!(coins.iter().flatten().all(|coin| coin.coinbase && coin.confirmations == 20));
    assert!(coins.iter().all(Option::is_some));
}

#[tokio::test]
async fn check__should_describe_the_node() {
    let node = must_start().await;
    let mined = node.mine(1).await.expect("bitcoind mines");

    let info = client_of(&node).check().await.expect("bitcoind answers");

    assert!(info.version >= MIN_VERSION && info.name.starts_with('/'), "{info:?}");
    assert_eq!((info.tip.height, info.tip.hash, info.network), (1, mined[0], Network::Regtest));
    assert_eq!((info.ibd, info.pruned), (false, None));
}

#[tokio::test]
async fn wrong_chain__should_be_an_error_of_its_own_everywhere() {
    let node = must_start().await;
    let config = Config { network: Network::Signet, ..config_of(&node) };
    let client = Bitcoind::new(&config).expect("the harness gives a good URL");

    let checked = client.check().await;
    let read = client.tip().await;
    let (sender, mut status) = watch::channel(ChainStatus::Unknown);
    let watching = tokio::spawn(client.watch(std::time::Duration::from_millis(20), sender));
    let seen = status.wait_for(|status| *status != ChainStatus::Unknown).await;

    let Err(CheckError::Chain(ChainError::WrongChain { expected, got })) = checked else {
        panic!("{checked:?}")
    };
    assert!(expected.starts_with("signet") && got.starts_with("regtest"), "{expected}, {got}");
    assert!(matches!(read, Err(ChainError::WrongChain { .. })), "{read:?}");
    assert!(matches!(*seen.expect("it is being watched"), ChainStatus::Wrong(_)));
    watching.abort();
}

#[tokio::test]
async fn wrong_password__should_be_refused_without_showing_it() {
    let node = must_start().await;
    let password = "not-the-password";
    let auth = Auth::Password { user: node.user().into(), password: Secret::new(password) };
    let config = Config { auth, ..config_of(&node) };
    let client = Bitcoind::new(&config).expect("the harness gives a good URL");

    let error = client.tip().await.expect_err("bitcoind refuses this password");

    assert!(matches!(error, ChainError::Refused(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains(password));
    assert!(error.to_string().contains("check user and password"), "{error}");
}
