//! The client against a server that answers as badly as it is told to.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

#[path = "../staking/fixture.rs"]
mod fixture;
mod server;
mod wallet;

use std::{fs, time::Duration};

use bitcoin::{Network, constants::genesis_block, hashes::Hash};
use serde_json::{Value, json};
use server::{Answer, Server};
use trestle_actors::ports::{Broadcast, ChainError, ReadChain, chain::Accepted};
use trestle_bitcoind::{Auth, Bitcoind, CheckError, Config, ConfigError, RpcError, Secret};

const PASSWORD: &str = "correct-horse-battery";

fn config(url: &str) -> Config {
    let auth = Auth::Password { user: "someone".into(), password: Secret::new(PASSWORD) };
    Config { timeout: Duration::from_secs(10), ..Config::new(url, auth, Network::Bitcoin) }
}

fn must_client(server: &Server) -> Bitcoind {
    Bitcoind::new(&config(&server.url())).expect("the URL is fine")
}

/// What a mainnet node in good order says.
fn healthy(method: &str) -> Value {
    let genesis = genesis_block(Network::Bitcoin).block_hash();
    match method {
        "getblockhash" | "getbestblockhash" => json!(genesis),
        "getblockchaininfo" => json!({
            "chain": "main", "blocks": 0, "headers": 0, "bestblockhash": genesis, "time": 1,
            "initialblockdownload": false, "pruned": false,
        }),
        "getnetworkinfo" => {
            json!({"version": 280_100, "subversion": "/Satoshi:28.1.0/", "warnings": []})
        }
        _ => Value::Null,
    }
}

fn some_transaction() -> bitcoin::Transaction {
    genesis_block(Network::Bitcoin).txdata[0].clone()
}

#[test]
fn config__should_refuse_urls_that_hold_credentials_or_are_not_http() {
    let refused = |url: &str| Bitcoind::new(&config(url)).err();

    assert_eq!(refused("http://someone:pw@127.0.0.1:8332"), Some(ConfigError::Credentials));
    assert_eq!(refused("https://127.0.0.1:8332"), Some(ConfigError::Url));
    assert_eq!(refused("8332"), Some(ConfigError::Url));
}

#[test]
fn debug__should_not_show_the_password() {
    let config = config("http://127.0.0.1:8332");
    let client = Bitcoind::new(&config).expect("the URL is fine");

    let text = format!("{config:?} {client:?}");

    assert!(text.contains("someone") && !text.contains(PASSWORD), "{text}");
}

#[tokio::test]
async fn read__should_be_tried_again_after_a_broken_connection() {
    let server = Server::start(|request| match request.number {
        0 | 2 => Answer::HangUp,
        _ => request.reply(|method, _| Ok(healthy(method))),
    })
    .await;

    let tip = must_client(&server).tip().await;

    assert_eq!(tip.map(|tip| tip.height), Ok(0));
}

#[tokio::test]
async fn read__should_be_tried_again_while_bitcoind_starts() {
    let server = Server::start(|request| match request.number {
        0 => request.reply(|_, _| Err((-28, "Loading block index…"))),
        _ => request.reply(|method, _| Ok(healthy(method))),
    })
    .await;

    let tip = must_client(&server).tip().await;

    assert_eq!(tip.map(|tip| tip.height), Ok(0));
}

#[tokio::test]
async fn read__should_give_up_after_its_tries() {
    let server = Server::start(|_| Answer::HangUp).await;

    let tip = must_client(&server).tip().await;

    assert!(matches!(tip, Err(ChainError::Unreachable(_))), "{tip:?}");
    // One try and three more; the connection that broke may be tried anew by the HTTP client.
    assert!((4..=8).contains(&server.requests().len()), "{} requests", server.requests().len());
}

#[tokio::test]
async fn broadcast__should_not_be_repeated_after_a_broken_connection() {
    let server = Server::start(|request| match request.methods().first().map(String::as_str) {
        Some("sendrawtransaction") => Answer::HangUpAfter,
        _ => request.reply(|method, _| Ok(healthy(method))),
    })
    .await;

    let sent = must_client(&server).broadcast(some_transaction()).await;

    assert!(matches!(sent, Err(ChainError::Unreachable(_))), "{sent:?}");
    let sends = server.requests().iter().filter(|r| r.methods()[0] == "sendrawtransaction").count();
    assert_eq!(sends, 1);
}

#[tokio::test]
async fn broadcast__should_read_what_bitcoind_says_with_an_error_status() {
    let server = Server::start(|request| match request.methods()[0].as_str() {
        "sendrawtransaction" => Answer::Http(
            500,
            json!({"result": null, "error": {"code": -25, "message": "bad-txns-inputs-missingorspent"}, "id": 0})
                .to_string(),
        ),
        _ => request.reply(|method, _| Ok(healthy(method))),
    })
    .await;

    let sent = must_client(&server).broadcast(some_transaction()).await;

    assert_eq!(sent, Ok(Accepted::Rejected("bad-txns-inputs-missingorspent".into())));
}

#[tokio::test]
async fn cookie__should_be_read_again_when_it_is_refused() {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join(".cookie");
    fs::write(&path, "__cookie__:first").expect("the folder takes a file");
    let server = Server::start(|request| {
        let now = if request.number < 2 { "__cookie__:first" } else { "__cookie__:second" };
        if request.credentials.as_deref() != Some(now) {
            return Answer::Http(401, String::new());
        }
        request.reply(|method, _| Ok(healthy(method)))
    })
    .await;
    let config = Config::new(server.url(), Auth::Cookie(path.clone()), Network::Bitcoin);
    let client = Bitcoind::new(&config).expect("the URL is fine");

    let before = client.tip().await;
    let stale = client.tip().await;
    fs::write(&path, "__cookie__:second").expect("the folder takes a file");
    let after = client.tip().await;

    assert!(before.is_ok(), "{before:?}");
    assert!(matches!(&stale, Err(ChainError::Refused(_))), "{stale:?}");
    assert!(after.is_ok(), "{after:?}");
}

#[tokio::test]
async fn cookie__should_be_awaited_while_bitcoind_has_not_written_it() {
    let server = Server::start(|request| request.reply(|method, _| Ok(healthy(method)))).await;
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let auth = Auth::Cookie(folder.path().join(".cookie"));
    let client = Bitcoind::new(&Config::new(server.url(), auth, Network::Bitcoin));

    let tip = client.expect("the URL is fine").tip().await;

    let Err(ChainError::Unreachable(text)) = tip else { panic!("{tip:?}") };
    assert!(text.contains("is bitcoind running?"), "{text}");
}

#[tokio::test]
async fn answers__should_be_bounded() {
    let long = format!("{{\"id\":0,\"result\":\"{}\"}}", "00".repeat(4_100_000));
    let server = Server::start(move |request| match request.methods()[0].as_str() {
        "getblock" => Answer::Http(200, long.clone()),
        _ => request.reply(|method, _| Ok(healthy(method))),
    })
    .await;

    let block = must_client(&server).block(bitcoin::BlockHash::all_zeros()).await;

    assert!(
        matches!(&block, Err(ChainError::Malformed(t)) if t.contains("longer than")),
        "{block:?}"
    );
}

#[tokio::test]
async fn answers__should_be_refused_when_they_are_not_json() {
    for (status, body) in [(200, "<html>"), (200, ""), (502, "<html>"), (200, "{\"id\":0")] {
        let server = Server::start(move |_| Answer::Http(status, body.into())).await;

        let result = must_client(&server).call::<Value>("uptime", json!([])).await;

        assert!(matches!(result, Err(RpcError::Malformed { .. })), "{status} {body}: {result:?}");
    }
}

#[tokio::test]
async fn call__should_end_when_no_answer_comes() {
    let server = Server::start(|_| Answer::Silence).await;
    let config = Config { timeout: Duration::from_millis(50), ..config(&server.url()) };
    let client = Bitcoind::new(&config).expect("the URL is fine");

    let result = client.call::<Value>("uptime", json!([])).await;

    assert_eq!(result, Err(RpcError::Timeout("uptime".into())));
}

#[tokio::test]
async fn check__should_refuse_an_old_bitcoind() {
    let server = Server::start(|request| {
        request.reply(|method, _| match method {
            "getnetworkinfo" => {
                Ok(json!({"version": 270_200, "subversion": "/Satoshi:27.2.0/", "warnings": ""}))
            }
            _ => Ok(healthy(method)),
        })
    })
    .await;

    let checked = must_client(&server).check().await;

    let name = "/Satoshi:27.2.0/".to_owned();
    assert_eq!(checked, Err(CheckError::TooOld { name, got: 270_200 }));
}

#[tokio::test]
async fn tip__should_not_be_given_during_initial_download() {
    let server = Server::start(|request| {
        request.reply(|method, _| {
            let mut said = healthy(method);
            if method == "getblockchaininfo" {
                said["initialblockdownload"] = json!(true);
            }
            Ok(said)
        })
    })
    .await;

    let tip = must_client(&server).tip().await;

    assert!(matches!(tip, Err(ChainError::NotReady(_))), "{tip:?}");
}

#[tokio::test]
async fn chain__should_be_compared_again_after_a_lost_connection() {
    let regtest = genesis_block(Network::Regtest).block_hash();
    let server = Server::start(move |request| match request.number {
        0 | 1 => request.reply(|method, _| Ok(healthy(method))),
        2 => Answer::HangUpAfter,
        // Another bitcoind is there now.
        _ => request.reply(|method, _| match method {
            "getblockhash" => Ok(json!(regtest)),
            _ => Ok(healthy(method)),
        }),
    })
    .await;
    let client = must_client(&server);

    let before = client.tip().await;
    let after = client.tip().await;

    assert!(before.is_ok(), "{before:?}");
    assert!(matches!(after, Err(ChainError::WrongChain { .. })), "{after:?}");
}
