//! `trestle staking` as a staker uses it: with a key file, with a wallet and with PSBTs, on a real
//! bitcoind; and what is refused before anything is signed.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    process::Stdio,
    str::FromStr as _,
};

use bitcoin::{
    Address, CompressedPublicKey, Network, Txid,
    secp256k1::{Keypair, Secp256k1},
};
use serde_json::{Value, json};
use trestle_devnet::{Bitcoind, Options};

use crate::support::{Done, Folder, chmod};

mod again;
mod mistaken;

const PARAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/global-params.regtest.json");
/// Where staking begins in these parameters, and a height with room below the next version.
const START: u64 = 120;
/// Four times the generator: any key that is neither the covenant's nor the staker's would do.
const PROVIDER: &str = "e493dbf1c10d80f3581e4904930b1404cc6c13900ee0758474fa94abe8c4cd13";

/// A bitcoind, and a folder with what a staker has.
struct Ground {
    bitcoind: Bitcoind,
    folder: Folder,
}

impl Ground {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let bitcoind = Bitcoind::start(options).await.expect("bitcoind");
        let folder = Folder::new();
        folder.write("password", &format!("{}\n", bitcoind.password()));
        Self { bitcoind, folder }
    }

    fn run(&self, args: &[&str]) -> Done {
        let place = ["--bitcoin-rpc", self.bitcoind.rpc_url(), "--bitcoin-user"];
        let secret = [self.bitcoind.user(), "--bitcoin-password-file", "password", "--json"];
        self.folder.run(&[&["staking"][..], args, &["--params", PARAMS], &place, &secret].concat())
    }

    fn must_run(&self, args: &[&str]) -> Value {
        let done = self.run(args);
        assert_eq!(done.code, 0, "{args:?}: {}", done.stderr);
        done.must_json()
    }

    /// Pays an address, and sees to it that staking has begun.
    async fn must_fund(&self, address: &str, sats: u64) {
        let address = Address::from_str(address).expect("an address").assume_checked();
        self.bitcoind.fund(&address, sats).await.expect("coins");
        let height = self.bitcoind.height().await.expect("a height");
        self.must_mine(START.saturating_sub(height).max(1)).await;
    }

    /// Writes the key file `key` of a staker, whose secret is this byte 32 times; gives its P2TR
    /// address.
    fn must_make_staker(&self, byte: &str) -> String {
        let secret = byte.repeat(32);
        self.folder.write("key", &secret);
        chmod(&self.folder.path("key"), 0o600);
        let secp = Secp256k1::new();
        let key = Keypair::from_seckey_str(&secp, &secret).expect("a key");
        Address::p2tr(&secp, key.x_only_public_key().0, None, Network::Regtest).to_string()
    }

    async fn must_mine(&self, blocks: u64) {
        self.bitcoind.mine(blocks).await.expect("blocks");
    }

    async fn must_call(&self, method: &str, params: Value) -> Value {
        self.bitcoind.rpc(method, params).await.expect("an answer of bitcoind")
    }

    /// The key behind a new Taproot address of the only wallet, and the address.
    async fn must_make_key(&self) -> (String, String) {
        let address = self.must_call("getnewaddress", json!(["", "bech32m"])).await;
        let info = self.must_call("getaddressinfo", json!([address])).await;
        let descriptor = info["desc"].as_str().expect("a descriptor").to_owned();
        let key = descriptor.split(']').nth(1).expect("an origin").split(')').next();
        (key.expect("a key").to_owned(), address.as_str().expect("text").to_owned())
    }

    /// What a wallet elsewhere does with a PSBT in a file.
    async fn must_sign(&self, from: &str) -> String {
        let psbt = std::fs::read_to_string(self.folder.path(from)).expect("a PSBT");
        let signed = self.must_call("walletprocesspsbt", json!([psbt.trim()])).await;
        signed["psbt"].as_str().expect("a PSBT").to_owned()
    }

    async fn must_be_confirmed(&self, shown: &Value) {
        let txid: Txid = shown["txid"].as_str().expect("a txid").parse().expect("a txid");
        assert_eq!(self.bitcoind.confirmations(txid).await.expect("an answer"), 1);
    }

    /// Withdrawing right after the stake's block is refused with the height, and nine blocks later
    /// it is done.
    async fn must_withdraw(&self, txid: &str, signer: &[&str]) {
        let open = Bitcoind::open_address().to_string();
        let args = [&["withdraw", txid, "--to", &open, "--fee-rate", "3"][..], signer].concat();
        let height = self.bitcoind.height().await.expect("a height");

        let early = self.run(&[&args[..], &["--yes"]].concat());
        assert_eq!(early.code, 1, "{}", early.stderr);
        let first = format!("in block {} at the earliest", height + 10);
        assert!(early.stderr.contains(&first), "{first}: {}", early.stderr);

        self.must_mine(9).await;
        let asked = self.run(&args);
        assert_eq!(asked.code, 2, "nobody can be asked: {}", asked.stderr);
        let done = self.must_run(&[&args[..], &["--yes"]].concat());
        assert_eq!(done["broadcast"], true);
        self.must_mine(1).await;
        self.must_be_confirmed(&done).await;
    }
}

fn txid(shown: &Value) -> &str {
    shown["txid"].as_str().expect("a txid")
}

const STAKE: [&str; 7] = ["stake", "--provider", PROVIDER, "--time", "10", "--fee-rate", "2.5"];

#[tokio::test]
async fn key_file__should_stake_and_withdraw() {
    let ground = Ground::new().await;
    let secret = "0707070707070707070707070707070707070707070707070707070707070707";
    ground.folder.write("key", &format!("{secret}\n"));
    chmod(&ground.folder.path("key"), 0o600);
    let secp = Secp256k1::new();
    let key = Keypair::from_seckey_str(&secp, secret).expect("a key");
    let p2tr = Address::p2tr(&secp, key.x_only_public_key().0, None, Network::Regtest);
    let p2wpkh = Address::p2wpkh(&CompressedPublicKey(key.public_key()), Network::Regtest);
    ground.must_fund(&p2tr.to_string(), 400_000).await;
    ground.must_fund(&p2wpkh.to_string(), 300_000).await;

    // More than either coin, so both kinds of signature are made.
    let stake = [&STAKE[..], &["--amount", "600000 sats", "--key-file", "key"]].concat();
    let unasked = ground.run(&stake);
    assert_eq!(unasked.code, 2, "{}", unasked.stderr);
    let done = ground.must_run(&[&stake[..], &["--yes"]].concat());
    assert_eq!(done["staker"], key.x_only_public_key().0.to_string());
    assert_eq!(done["value_sats"], 600_000);
    ground.must_mine(1).await;
    ground.must_be_confirmed(&done).await;

    ground.must_withdraw(txid(&done), &["--key-file", "key"]).await;
}

/// A withdrawal that pays too little is replaced by one that pays more, when it is asked for.
#[tokio::test]
async fn withdraw__should_replace_one_in_the_mempool_if_told_to() {
    let ground = Ground::new().await;
    let p2tr = ground.must_make_staker("09");
    ground.must_fund(&p2tr, 700_000).await;
    let with = ["--amount", "600000 sats", "--key-file", "key", "--yes"];
    let staked = ground.must_run(&[&STAKE[..], &with].concat());
    ground.must_mine(10).await;
    let open = Bitcoind::open_address().to_string();
    let withdraw = |rate: &'static str, more: &[&'static str]| {
        let args = ["withdraw", txid(&staked), "--to", &open, "--key-file", "key", "--yes"];
        ground.run(&[&args[..], &["--fee-rate", rate], more].concat())
    };
    let slow = withdraw("1", &[]);

    let unasked = withdraw("20", &[]);
    let no_dearer = withdraw("1", &["--replace"]);
    let fast = withdraw("20", &["--replace"]);

    assert_eq!(unasked.code, 1, "{}", unasked.stderr);
    assert!(unasked.stderr.contains("--replace"), "{}", unasked.stderr);
    assert_eq!(no_dearer.code, 0, "the same transaction once more: {}", no_dearer.stderr);
    let (slow, fast) = (slow.must_json(), fast.must_json());
    assert!(unasked.stderr.contains(txid(&slow)), "{}", unasked.stderr);
    assert_eq!(fast["replaces"], json!([slow["txid"]]));
    let pool = ground.must_call("getrawmempool", json!([])).await;
    assert_eq!(pool, json!([fast["txid"]]));
    ground.must_mine(1).await;
    ground.must_be_confirmed(&fast).await;
    let late = withdraw("50", &["--replace"]);
    assert!(late.stderr.contains("is spent already"), "{}", late.stderr);
}

/// A transaction in the mempool can be replaced by one that pays more: a second stake must not.
#[tokio::test]
async fn key_file__should_not_replace_its_stake_in_the_mempool() {
    let ground = Ground::new().await;
    let p2tr = ground.must_make_staker("08");
    ground.must_fund(&p2tr, 400_000).await;
    ground.must_fund(&p2tr, 300_000).await;
    let stake = |rate: &'static str| {
        let with = ["--amount", "200000 sats", "--key-file", "key", "--yes", "--fee-rate", rate];
        [&STAKE[..5], &with].concat()
    };

    let first = ground.must_run(&stake("2"));
    let second = ground.must_run(&stake("20"));
    let third = ground.run(&stake("50"));

    assert_eq!(third.code, 1, "{}", third.stderr);
    assert!(third.stderr.contains("every coin there is being spent"), "{}", third.stderr);
    ground.must_mine(1).await;
    ground.must_be_confirmed(&first).await;
    ground.must_be_confirmed(&second).await;
}

#[tokio::test]
async fn wallet__should_stake_and_withdraw() {
    let ground = Ground::new().await;
    ground.must_call("createwallet", json!(["staker"])).await;
    let address = ground.must_call("getnewaddress", json!([])).await;
    ground.must_fund(address.as_str().expect("an address"), 1_000_000).await;

    let with = ["--amount", "0.005 BTC", "--wallet", "staker", "--yes"];
    let done = ground.must_run(&[&STAKE[..], &with].concat());
    assert_eq!(done["value_sats"], 500_000);
    let raw = ground.must_call("getrawtransaction", json!([done["txid"], true])).await;
    assert_eq!(raw["locktime"], 109, "no block before the parameters takes it");
    let sequence = raw["vin"][0]["sequence"].as_u64();
    assert_eq!(sequence, Some(0xffff_fffe), "not replaceable");
    ground.must_mine(1).await;

    ground.must_withdraw(txid(&done), &["--wallet", "staker"]).await;
}

/// An API that knows nothing of any delegation; gives where it is.
fn must_serve_an_empty_api() -> String {
    must_serve(None, None)
}

/// An API at a height, which knows one delegation at the most.
fn must_serve(height: Option<u64>, delegation: Option<Value>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let figures = "active_tvl total_tvl active_delegations total_delegations total_stakers \
                   unconfirmed_tvl pending_tvl";
    let zeros = figures.split_whitespace().map(|name| format!("\"{name}\":0"));
    let zeros = zeros.collect::<Vec<_>>().join(",");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let asked = lines.next().unwrap_or_default();
            let _rest = lines.take_while(|line| !line.is_empty()).count();
            let (status, body) = match asked.split(['?', ' ']).nth(1) {
                Some("/v1/stats") => {
                    let height = height.map(|height| format!(",\"btc_height\":{height}"));
                    let height = height.unwrap_or_default();
                    ("200 OK", format!("{{\"data\":{{{zeros}{height}}}}}"))
                }
                Some("/v1/delegation") if delegation.is_some() => {
                    ("200 OK", json!({ "data": delegation }).to_string())
                }
                Some("/v1/global-params") => {
                    let params = std::fs::read_to_string(PARAMS).expect("an example file");
                    ("200 OK", format!("{{\"data\":{params}}}"))
                }
                Some("/v1/finality-providers") => ("200 OK", "{\"data\":[]}".to_owned()),
                _ => ("404 Not Found", r#"{"errorCode":"NOT_FOUND","message":"none"}"#.to_owned()),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n");
            // A client that has gone does not want it.
            let _ = write!(&stream, "{head}connection: close\r\n\r\n{body}");
        }
    });
    url
}

#[tokio::test]
async fn follow__should_end_when_a_block_has_spent_the_coins_otherwise() {
    // Given a stake that is followed, in the mempool
    let ground = Ground::new().await;
    ground.must_call("createwallet", json!(["staker"])).await;
    let address = ground.must_call("getnewaddress", json!([])).await;
    ground.must_fund(address.as_str().expect("an address"), 1_000_000).await;
    let api = must_serve_an_empty_api();
    let with = ["--amount", "0.005 BTC", "--wallet", "staker", "--yes", "--replaceable"];
    let follow = ["--follow", "--timeout", "600", "--api", &api, "--params", PARAMS];
    let place = ["--bitcoin-rpc", ground.bitcoind.rpc_url(), "--bitcoin-user"];
    let secret = [ground.bitcoind.user(), "--bitcoin-password-file", "password"];
    let args = [&["staking"][..], &STAKE, &with, &follow, &place, &secret].concat();
    let mut child = ground.folder.command(&args).stderr(Stdio::piped()).spawn().expect("it");
    let mut told = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut heard = Vec::new();
    while !heard.last().is_some_and(|line: &String| line.contains("in the mempool")) {
        heard.push(told.next().unwrap_or_else(|| panic!("{heard:#?}")).expect("text"));
    }
    // When another transaction takes its place in a block
    let pool = ground.must_call("getrawmempool", json!([])).await;
    let other = ground.must_call("bumpfee", json!([pool[0], { "fee_rate": 50 }])).await;
    ground.must_mine(1).await;
    // Then
    let rest: Vec<String> = told.map_while(Result::ok).collect();
    assert_eq!(child.wait().expect("our child").code(), Some(1), "{rest:#?}");
    let rest = rest.join("\n");
    let (stake, other) = (pool[0].as_str(), other["txid"].as_str());
    let (stake, other) = (stake.expect("a txid"), other.expect("a txid"));
    assert!(rest.contains(&format!("{stake} will never be in a block: {other}")), "{rest}");
}

#[tokio::test]
async fn psbt__should_be_signed_by_any_wallet() {
    let ground = Ground::new().await;
    ground.must_call("createwallet", json!(["elsewhere"])).await;
    let (staker, address) = ground.must_make_key().await;
    ground.must_fund(&address, 1_000_000).await;

    let from = ["--amount", "0.002 BTC", "--psbt-out", "stake.psbt", "--from", &address];
    ground.folder.write_config("");
    let more = ["--staker", &staker, "--config", "node.toml"];
    let done = ground.must_run(&[&STAKE[..], &from, &more].concat());
    let warned = done["warnings"].to_string();
    assert!(warned.contains("the node does not run"), "{warned}");
    assert_eq!(done["broadcast"], false);
    let signed = ground.must_sign("stake.psbt").await;
    let finished = ground.must_call("finalizepsbt", json!([signed])).await;
    let sent = ground.must_call("sendrawtransaction", json!([finished["hex"]])).await;
    assert_eq!(sent, done["txid"], "what is signed elsewhere is what was built");
    ground.must_mine(10).await;

    let open = Bitcoind::open_address().to_string();
    let args = ["withdraw", txid(&done), "--to", &open, "--fee-rate", "3"];
    let built = ground.must_run(&[&args[..], &["--psbt-out", "back.psbt"]].concat());
    let signed = ground.must_sign("back.psbt").await;
    ground.folder.write("back.signed", &signed);
    let back = [&args[..], &["--signed-psbt", "back.signed", "--yes"]].concat();
    let other = back.iter().map(|arg| if *arg == "3" { "4" } else { arg }).collect::<Vec<_>>();
    let refused = ground.run(&other);
    assert!(refused.stderr.contains("for another withdrawal"), "{}", refused.stderr);
    let sent = ground.must_run(&back);
    assert_eq!(sent["txid"], built["txid"]);
    ground.must_mine(1).await;
    ground.must_be_confirmed(&sent).await;
}

#[tokio::test]
async fn stake__should_be_refused_before_its_time_and_outside_its_rules() {
    let ground = Ground::new().await;
    ground.must_mine(108).await;
    let secret = "0707070707070707070707070707070707070707070707070707070707070707";
    ground.folder.write("key", secret);
    let with = |amount: &'static str| {
        let with = ["--amount", amount, "--key-file", "key", "--yes"];
        ground.run(&[&STAKE[..], &with].concat())
    };

    let early = with("0.01 BTC");
    assert!(early.stderr.contains("staking begins at height 110"), "{}", early.stderr);
    ground.must_mine(1).await;
    chmod(&ground.folder.path("key"), 0o644);
    let open = with("0.01 BTC");
    assert_eq!(open.code, 6, "{}", open.stderr);
    assert!(open.stderr.contains("can be read by others"), "{}", open.stderr);
    chmod(&ground.folder.path("key"), 0o600);
    let small = with("99999 sats");
    assert!(small.stderr.contains("99999 sat is not from 100000 to"), "{}", small.stderr);
    let bare = with("0.01");
    assert_eq!(bare.code, 2);
    assert!(bare.stderr.contains("which unit?"), "{}", bare.stderr);
    let poor = with("0.01 BTC");
    assert!(poor.stderr.contains("no confirmed coins"), "{}", poor.stderr);
    for done in [early, open, small, bare, poor] {
        assert!(!done.stderr.contains(secret) && done.stdout.is_empty(), "{}", done.stderr);
    }
}

#[test]
fn params__should_be_explained_and_shown() {
    let folder = Folder::new();
    let good = folder.run(&["staking", "params", "check", PARAMS, "--json"]);
    assert_eq!((good.code, &good.must_json()["versions"]), (0, &json!(2)), "{}", good.stderr);

    let text = std::fs::read_to_string(PARAMS).expect("an example");
    folder.write("bad.json", &text.replace("\"tag\": \"74726573\"", "\"tag\": \"747265\""));
    let bad = folder.run(&["staking", "params", "check", "bad.json"]);
    assert_eq!(bad.code, 5);
    let told = "invalid params with version 0: invalid tag length, expected 4, got 3";
    assert!(bad.stderr.contains(told), "{}", bad.stderr);
    assert!(bad.stderr.contains("line 7: "), "{}", bad.stderr);

    let show = ["staking", "params", "show", PARAMS, "--json"];
    let shown = folder.run(&[&show[..], &["--height", "500"]].concat()).must_json();
    assert_eq!(shown["params"]["version"], 1);
    let none = folder.run(&[&show[..], &["--height", "109"]].concat());
    assert_eq!(none.code, 1, "{}", none.stderr);
    let told = "there are no parameters at height 109: they begin at height 110";
    assert!(none.stderr.contains(told), "{}", none.stderr);
    let network = PARAMS.replace("global-params.regtest.json", "params.staking.regtest.toml");
    let table = folder.run(&["staking", "params", "show", &network]);
    assert!(table.stdout.contains("2 of 3"), "{} {}", table.stdout, table.stderr);
    let checked = folder.run(&["params", "check", &network]);
    assert!(checked.stdout.contains("COVENANT KEY"), "{} {}", checked.stdout, checked.stderr);
}

#[test]
fn reads__should_need_an_api() {
    let folder = Folder::new();
    let done = folder.run(&["staking", "stats", "--json"]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    let done = folder.run(&["staking", "stats", "--api", "http://127.0.0.1:1", "--json"]);
    assert_eq!(done.code, 4, "{}", done.stderr);
}
