//! What would lock bitcoins for nobody: keys that the wallet does not have, another network, a
//! bitcoind or a coordinator of another time.

use bitcoin::bip32::Xpriv;

use super::*;

/// What everybody knows that nobody has the secret of (BIP-341).
const NOBODY: &str = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0";
/// Its Taproot addresses are opened by a script, and their internal key is nobody's.
#[tokio::test]
async fn wallet_with_scripts__should_not_be_asked_for_a_staker_key() {
    let ground = Ground::new().await;
    ground.must_call("createwallet", json!({ "wallet_name": "scripts", "blank": true })).await;
    let master = Xpriv::new_master(Network::Regtest, &[14; 32]).expect("a master key");
    for (internal, branch) in [(false, 0), (true, 1)] {
        let text = format!("tr({NOBODY},pk({master}/86h/1h/8h/{branch}/*))");
        let info = ground.must_call("getdescriptorinfo", json!([text])).await;
        let checksum = info["checksum"].as_str().expect("a checksum");
        let import = json!([[{ "desc": format!("{text}#{checksum}"), "active": true,
            "range": [0, 10], "timestamp": "now", "internal": internal }]]);
        let done = ground.must_call("importdescriptors", import).await;
        assert_eq!(done[0]["success"], true, "{done}");
    }
    ground.must_mine(START).await;

    let with = ["--amount", "0.005 BTC", "--wallet", "scripts", "--psbt-out", "stake.psbt"];
    let refused = ground.run(&[&STAKE[..], &with].concat());

    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("no Taproot keys that sign alone"), "{}", refused.stderr);
}

#[tokio::test]
async fn staker_key__should_be_told_if_the_wallet_does_not_have_it() {
    let ground = Ground::new().await;
    ground.must_call("createwallet", json!(["staker"])).await;
    let (own, address) = ground.must_make_key().await;
    ground.must_fund(&address, 1_000_000).await;

    for (key, file, is_told) in [(own.as_str(), "own.psbt", false), (NOBODY, "other.psbt", true)] {
        let with = ["--wallet", "staker", "--staker", key, "--psbt-out", file];
        let args = [&STAKE[..], &["--amount", "0.005 BTC"], &with].concat();
        let warnings = ground.must_run(&args)["warnings"].to_string();
        assert_eq!(warnings.contains("does not know as a Taproot key"), is_told, "{warnings}");
    }
}

#[tokio::test]
async fn parameters_of_another_network__should_be_refused() {
    let ground = Ground::new().await;
    let address = ground.must_make_staker("0b");
    ground.must_fund(&address, 400_000).await;
    let conf = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/params.staking.regtest.toml");
    let shared = std::fs::read_to_string(conf).expect("an example file");
    let other = shared.replace("network = \"regtest\"", "network = \"signet\"");
    ground.folder.write("own.toml", &shared);
    ground.folder.write("other.toml", &other);
    let global = std::fs::read_to_string(PARAMS).expect("an example file");
    ground.folder.write("global-params.regtest.json", &global);
    let run = |params: &str| {
        let place = ["--bitcoin-rpc", ground.bitcoind.rpc_url(), "--bitcoin-user"];
        let secret = [ground.bitcoind.user(), "--bitcoin-password-file", "password"];
        let pay = ["--amount", "200000 sats", "--key-file", "key", "--yes", "--params", params];
        ground.folder.run(&[&["staking"][..], &STAKE, &pay, &place, &secret].concat())
    };

    let refused = run("other.toml");

    assert_eq!(refused.code, 5, "{}", refused.stderr);
    let told = "other.toml is for signet, bitcoind is on regtest";
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    let sent = run("own.toml");
    assert_eq!(sent.code, 0, "{}", sent.stderr);
}

/// With the rules of a time that is over on the chain that others know.
#[tokio::test]
async fn stake__should_be_refused_while_bitcoind_is_behind_its_rules() {
    let ground = Ground::new().await;
    let address = ground.must_make_staker("0c");
    ground.must_fund(&address, 400_000).await;
    let pay = ["--amount", "200000 sats", "--key-file", "key", "--yes", "--api"];
    let stake = |height| {
        let api = must_serve(Some(height), None);
        ground.run(&[&STAKE[..], &pay, &[&api]].concat())
    };

    let refused = stake(499);

    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("the coordinator is at block 499"), "{}", refused.stderr);
    let behind = stake(START - 10);
    assert_eq!(behind.code, 0, "{}", behind.stderr);
    let warnings = behind.must_json()["warnings"].to_string();
    assert!(warnings.contains("has only come to block"), "{warnings}");
}

/// The height decides the version, and the version the fee.
#[tokio::test]
async fn unbonding__should_not_go_by_a_height_that_bitcoind_denies() {
    let ground = Ground::new().await;
    let address = ground.must_make_staker("0d");
    ground.must_fund(&address, 400_000).await;
    let pay = ["--amount", "200000 sats", "--key-file", "key", "--yes"];
    let staked = ground.must_run(&[&STAKE[..], &pay].concat());
    ground.must_mine(3).await;
    let height = ground.bitcoind.height().await.expect("a height") - 2;
    let unbond = |told: u64, file: &str| {
        let lock = json!({ "tx_hex": staked["tx_hex"], "output_index": staked["output_index"],
            "start_timestamp": "2024-01-01T00:00:00Z", "start_height": told, "timelock": 10 });
        let api = must_serve(
            None,
            Some(json!({ "staking_tx_hash_hex": staked["txid"], "staker_pk_hex": staked["staker"],
                "finality_provider_pk_hex": PROVIDER, "state": "active", "staking_value": 200_000,
                "staking_tx": lock, "is_overflow": false })),
        );
        ground.run(&["unbond", txid(&staked), "--psbt-out", file, "--api", &api])
    };

    let refused = unbond(height + 1, "refused.psbt");

    assert_eq!(refused.code, 1, "{}", refused.stderr);
    let told = format!("in block {}, bitcoind says {height}", height + 1);
    assert!(refused.stderr.contains(&told), "{told}: {}", refused.stderr);
    let done = unbond(height, "right.psbt");
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[tokio::test]
async fn withdrawal_of_a_payment__should_name_the_id_that_was_given() {
    // One without an index of transactions.
    let ground = Ground::with(Options::default().pruned()).await;
    ground.must_call("createwallet", json!(["payer"])).await;
    let address = ground.must_call("getnewaddress", json!([])).await;
    ground.must_fund(address.as_str().expect("an address"), 1_000_000).await;
    // Of the first nothing is left in the UTXO set.
    let mut paid = Value::Null;
    for _ in 0..2 {
        paid = ground.must_call("sendall", json!([[address]])).await;
        ground.must_mine(1).await;
    }
    let open = Bitcoind::open_address().to_string();

    let paid = txid(&paid);
    let refused = ground.run(&["withdraw", paid, "--to", &open, "--wallet", "payer", "--yes"]);

    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains(&format!("{paid} is no stake, and")), "{}", refused.stderr);
}
