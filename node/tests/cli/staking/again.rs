//! What changes between the question and the sending, and what a replacement leaves behind.

use bitcoin::Transaction;

use super::*;
use crate::support::Terminal;

/// The example's parameters with a second version that takes effect earlier, and has other covenant
/// keys: a stake under the first is none under it.
fn must_write_rules(ground: &Ground, second_from: u64) {
    let text = std::fs::read_to_string(PARAMS).expect("an example file");
    let mut file: Value = serde_json::from_str(&text).expect("JSON");
    let second = &mut file["versions"][1];
    second["activation_height"] = json!(second_from);
    second["covenant_pks"].as_array_mut().expect("keys").truncate(2);
    ground.folder.write("rules.json", &file.to_string());
}

impl Ground {
    /// A command of a staker at a terminal, under the rules of `rules.json`.
    fn at_terminal(&self, args: &[&str]) -> Terminal {
        let secret = [self.bitcoind.user(), "--bitcoin-password-file", "password"];
        let place = ["--bitcoin-rpc", self.bitcoind.rpc_url(), "--bitcoin-user"];
        let rules = ["--params", "rules.json"];
        let args = [&["staking"][..], args, &rules, &place, &secret].concat();
        let mut terminal = self.folder.at_terminal(&args);
        terminal.must_show("Sign and send it? [y/N]");
        terminal
    }

    async fn pool(&self) -> Value {
        self.must_call("getrawmempool", json!([])).await
    }
}

/// A staker with a coin, under rules that change at a height.
async fn staker(second_from: u64, coins: &[u64]) -> (Ground, String) {
    let ground = Ground::new().await;
    let address = ground.must_make_staker("0a");
    for sats in coins {
        ground.must_fund(&address, *sats).await;
    }
    must_write_rules(&ground, second_from);
    (ground, address)
}

const PAY: [&str; 4] = ["--amount", "200000 sats", "--key-file", "key"];

#[tokio::test]
async fn stake__should_not_be_sent_under_rules_that_end_before_the_answer() {
    let (ground, _) = staker(START + 2, &[400_000]).await;
    let mut asked = ground.at_terminal(&[&STAKE[..], &PAY].concat());
    ground.must_mine(1).await;

    let (code, told) = asked.answer("y");

    assert_eq!(code, 1, "{told}");
    assert!(told.contains("the stake was not sent: it is one under version 0"), "{told}");
    assert_eq!(ground.pool().await, json!([]));
    let again = ground.at_terminal(&[&STAKE[..], &PAY].concat()).answer("y");
    assert_eq!(again.0, 0, "{}", again.1);
}

#[tokio::test]
async fn stake__should_not_push_out_another_that_was_begun_at_once() {
    let (ground, _) = staker(500, &[400_000]).await;
    let dear = [&STAKE[..5], &["--fee-rate", "50"], &PAY].concat();
    let mut first = ground.at_terminal(&[&STAKE[..], &PAY].concat());
    let mut second = ground.at_terminal(&dear);

    let (sent, told) = first.answer("y");
    assert_eq!(sent, 0, "{told}");
    let pool = ground.pool().await;
    let (code, told) = second.answer("y");

    assert_eq!(code, 1, "{told}");
    let txid = pool[0].as_str().expect("the first");
    assert!(told.contains(&format!("not sent: {txid}, which is in the mempool")), "{told}");
    assert_eq!(ground.pool().await, pool);
}

#[tokio::test]
async fn withdrawal__should_not_push_out_another_that_was_begun_at_once() {
    let (ground, _) = staker(500, &[400_000]).await;
    let staked = ground.must_run(&[&STAKE[..], &PAY, &["--yes"]].concat());
    ground.must_mine(10).await;
    let open = Bitcoind::open_address().to_string();
    let withdraw = |rate: &'static str| {
        let to = ["--to", &open, "--key-file", "key", "--replace", "--fee-rate", rate];
        ground.at_terminal(&[&["withdraw", txid(&staked)][..], &to].concat())
    };
    let (mut first, mut second) = (withdraw("2"), withdraw("50"));

    let (sent, told) = first.answer("y");
    assert_eq!(sent, 0, "{told}");
    let pool = ground.pool().await;
    let (code, told) = second.answer("y");

    assert_eq!(code, 1, "{told}");
    let by = pool[0].as_str().expect("the first");
    assert!(told.contains(&format!("nothing was sent: {by}, which is in the mempool")), "{told}");
    assert_eq!(ground.pool().await, pool);
}

/// It counts for nothing there, but its staker gets it back.
#[tokio::test]
async fn withdrawal__should_take_back_a_stake_that_its_block_does_not_know() {
    let (ground, address) = staker(START + 2, &[400_000]).await;
    let asked = ground.at_terminal(&[&STAKE[..], &PAY].concat()).answer("y");
    assert_eq!(asked.0, 0, "{}", asked.1);
    let pool = ground.pool().await;
    let staked = pool[0].as_str().expect("the stake");
    ground.must_call("generateblock", json!([address, []])).await;
    ground.must_mine(10).await;
    let height = ground.bitcoind.height().await.expect("a height");
    assert_eq!(height, START + 11, "the stake is in the first block of the second version");

    let open = Bitcoind::open_address().to_string();
    let args = ["withdraw", staked, "--to", &open, "--key-file", "key", "--fee-rate", "3"];
    let (code, told) = ground.at_terminal(&args).answer("y");

    assert_eq!(code, 0, "{told}");
    let pool = ground.pool().await;
    ground.must_mine(1).await;
    ground.must_be_confirmed(&json!({ "txid": pool[0] })).await;
}

#[tokio::test]
async fn replacement__should_say_what_stays_and_what_goes() {
    // Given two stakes that are withdrawn together, and somebody who spends what that pays
    let (ground, address) = staker(500, &[400_000, 400_000]).await;
    let stakes = [(); 2].map(|()| ground.must_run(&[&STAKE[..], &PAY, &["--yes"]].concat()));
    ground.must_mine(10).await;
    let withdraw = |txids: &[&str], rate: &str| {
        let how = ["--to", &address, "--key-file", "key", "--fee-rate", rate, "--yes"];
        ground.must_run(&[&["withdraw", "--replace"][..], txids, &how].concat())
    };
    let both = withdraw(&[txid(&stakes[0]), txid(&stakes[1])], "2");
    let coin = format!("{}:0", txid(&both));
    let pay = ["--coin", &coin, "--yes"];
    let child = ground.must_run(&[&STAKE[..], &PAY, &pay].concat());
    // When one of them is withdrawn for more than both transactions pay
    let one = withdraw(&[txid(&stakes[0])], "40");
    // Then
    assert_eq!(one["replaces"], json!([both["txid"]]));
    let warnings = one["warnings"].to_string();
    let left = format!("{} also spends {}:0", txid(&both), txid(&stakes[1]));
    assert!(warnings.contains(&left), "{left}: {warnings}");
    let gone = format!("1 transaction(s) in the mempool spend what {} pays", txid(&both));
    assert!(warnings.contains(&gone), "{gone}: {warnings}");
    assert_eq!(ground.pool().await, json!([one["txid"]]), "{child} went with it");
    let raw: Transaction = bitcoin::consensus::encode::deserialize_hex(
        one["tx_hex"].as_str().expect("the transaction"),
    )
    .expect("one of ours");
    assert_eq!(raw.input.len(), 1);
}

#[tokio::test]
async fn replacement__should_not_evict_what_came_since_it_was_shown() {
    let (ground, address) = staker(500, &[400_000]).await;
    let staked = ground.must_run(&[&STAKE[..], &PAY, &["--yes"]].concat());
    ground.must_mine(10).await;
    let how = ["withdraw", txid(&staked), "--to", &address, "--key-file", "key", "--fee-rate"];
    let slow = ground.must_run(&[&how[..], &["2", "--yes"]].concat());
    let replace = [&how[..], &["40", "--replace"]].concat();
    let mut asked = [(); 2].map(|()| ground.at_terminal(&replace));
    // Somebody spends what the first one pays.
    let coin = format!("{}:0", txid(&slow));
    let all_but_fee = ["--amount", "190000 sats", "--key-file", "key", "--coin", &coin, "--yes"];
    let child = ground.must_run(&[&STAKE[..], &all_but_fee].concat());

    let (code, told) = asked[0].answer("y");

    assert_eq!(code, 1, "{told}");
    assert!(told.contains("1 transaction(s) in the mempool spend what"), "{told}");
    ground.must_mine(1).await;
    ground.must_be_confirmed(&child).await;
    let (code, told) = asked[1].answer("y");
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("is no unspent output of a block any more"), "{told}");
}
