//! `[staking]`, `[events]` and `[covenant]`, and the file of global parameters.

use super::*;

const KEY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const PEER: &str = "12D3KooWA4AkLh7CmFXpdUeuJiJMJyEpg4ysChBvDha2dBais7PB";

fn must_read(name: &str) -> String {
    std::fs::read_to_string(conf().join(name)).expect("an example file")
}

fn shared(text: &str) -> Result<SharedParams, ConfigError> {
    parse_params(Path::new("etc/params.toml"), text, |_| {
        Ok(must_read("global-params.regtest.json"))
    })
}

fn wrong(text: &str) -> String {
    shared(text).err().map(|e| e.to_string()).unwrap_or_default()
}

fn coordinator(sections: &str) -> String {
    format!(
        "data_dir = \"data\"\nroles = [\"coordinator\", \"committee\"]\nparams = \
         \"p\"\n[bitcoin]\nrpc = \"http://127.0.0.1:1\"\ncookie_file = \"c\"\n{sections}"
    )
}

#[test]
fn params__should_keep_their_hash_without_staking() {
    let params = load_params(&conf().join("params.regtest.toml")).expect("the example");

    assert_eq!(
        params.hash().to_string(),
        "4273c6f2ceefe43a6c3bc2354184fcf42df63bfd7967a69cf081130cb6d89dda"
    );
}

#[test]
fn staking__should_say_who_holds_which_key() {
    let text = must_read("params.staking.regtest.toml");
    let read = shared(&text).expect("the example");
    let staking = read.params.staking.as_ref().expect("the example has staking");
    let global = read.global.as_ref().expect("the example has global parameters");

    assert!(read.params.committees.is_empty());
    assert_eq!(global.params.versions().len(), 2);
    assert_eq!(global.path, Path::new("etc/global-params.regtest.json"));
    assert!(global.foreign_keys(staking).is_empty());
    let peer: trestle_wire::Peer = PEER.parse().expect("a peer");
    assert_eq!(staking.key_of(&peer).map(hex::encode).as_deref(), Some(KEY));

    // When one of them has no peer, it is told.
    let text = text.replace(&format!("\"{KEY}\" = \"{PEER}\"\n"), "");
    let read = shared(&text).expect("a key may be held by somebody else");
    let staking = read.params.staking.as_ref().expect("staking");
    let foreign = read.global.as_ref().expect("the file").foreign_keys(staking);
    assert_eq!(foreign.iter().map(hex::encode).collect::<Vec<_>>(), [KEY]);
}

#[test]
fn staking__should_be_part_of_the_hash_and_name_what_differs() {
    let text = must_read("params.staking.regtest.toml");
    let one = shared(&text).expect("the example").params;
    let spaced = |_: &Path| Ok(must_read("global-params.regtest.json") + " ");
    let other = parse_params(Path::new("p"), &text, spaced).expect("the same parameters").params;

    let differing = |a: &trestle_keys::Params, b: &trestle_keys::Params| {
        let sections = a.sections().into_iter().zip(b.sections());
        let different = sections.filter(|(a, b)| a.hash != b.hash);
        different.map(|(a, _)| a.name).collect::<Vec<_>>()
    };
    assert_ne!(one.hash(), other.hash());
    assert_eq!(differing(&one, &other), ["staking.global_params"]);

    let held = text.replace(&format!("\"{KEY}\" = \"{PEER}\"\n"), "");
    let held = shared(&held).expect("a member less").params;
    assert_ne!(one.hash(), held.hash());
    assert_eq!(differing(&one, &held), ["staking"]);
}

#[test]
fn staking__should_report_every_problem_with_its_line() {
    let text = format!(
        "network = \"regtest\"\n[staking]\ncoordinators = []\nextra = 1\nglobal_params = \
         \"g\"\n[staking.members]\n\"02aa\" = \"{PEER}\"\n\"{KEY}\" = \"nobody\"\n\"03{}\" = \
         \"{PEER}\"\n",
        &KEY[2..]
    );
    let wrong = wrong(&text);

    for part in [
        "etc/params.toml:4: staking.extra: unknown key",
        "etc/params.toml:7: staking.members.02aa: expected a covenant key",
        "expected a peer id (12D3KooW…, from `trestle keys show`), got \"nobody\"",
        "is no covenant key of any version in etc/g: copy the 66 digits",
        "staking: nobody may ask members for signatures",
    ] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
    let third = format!("etc/params.toml:9: staking.members.03{}", &KEY[2..]);
    assert!(wrong.contains(&third), "the other parity is another key: {wrong}");
}

#[test]
fn staking__should_refuse_a_peer_with_two_keys() {
    let text = must_read("params.staking.regtest.toml");
    let second = "12D3KooWQkX7DnUpSDvRuCPfQzhpS9uBr9PoxpW5WMGuvjC47RMR";
    let wrong = wrong(&text.replace(second, PEER));

    assert!(wrong.contains("holds two covenant keys"), "{wrong}");
}

#[test]
fn staking__should_show_the_problems_of_the_global_parameters_with_their_lines() {
    let text = must_read("params.staking.regtest.toml");
    let broken = |_: &Path| {
        let global = must_read("global-params.regtest.json");
        Ok(global.replace("\"confirmation_depth\": 2", "\"confirmation_depth\": 0"))
    };
    let error = parse_params(Path::new("etc/params.toml"), &text, broken).err();
    let problems = error.map(|e| e.problems).unwrap_or_default();

    assert_eq!(problems.len(), 2, "one for each version: {problems:?}");
    let first = problems[0].to_string();
    assert!(first.starts_with("etc/global-params.regtest.json:"), "{first}");
    assert!(first.contains("confirmation depth value should be at least 2, got 0"), "{first}");
    assert!(first.contains("write 2 or more"), "{first}");

    let error = parse_params(Path::new("etc/params.toml"), &text, |_| Err("is gone".into())).err();
    let error = error.map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(error, "etc/global-params.regtest.json: is gone");
}

#[test]
fn sections__should_have_defaults() {
    let bare = config(&coordinator("")).expect("a config");
    assert_eq!((bare.staking, bare.events), (None, None));
    assert_eq!(bare.covenant.signer, CovenantSigner::Local);
    assert_eq!((bare.covenant.max_staking_height, bare.covenant.http), (u32::MAX, None));

    let short = "[staking]\n[events]\namqp = \"amqp://u@h/v\"\n[covenant.http]\n";
    let config = config(&coordinator(short)).expect("a config");
    let staking = config.staking.expect("there, so enabled");
    assert_eq!((staking.delegations_page, staking.providers_page), (10, 500));
    assert_eq!((staking.max_body, staking.rate_limit), (4_096, 50));
    assert_eq!(config.events.expect("a broker").queue_type, QueueType::Quorum);
    let http = config.covenant.http.expect("there, so enabled");
    assert_eq!(http.listen.to_string(), "127.0.0.1:7182");
    assert_eq!(http.token_file, Path::new("etc/data/covenant.token"));

    // What the example shows is what holds without it.
    let shown = std::fs::read_to_string(conf().join("coordinator.toml")).expect("an example");
    let shown = super::config(&shown.replace("enable = false", "enable = true"));
    assert_eq!(shown.expect("the example").staking, Some(staking));
}

#[test]
fn sections__should_read_a_wallet() {
    let text = "[covenant]\nsigner = \"wallet\"\nmax_staking_height = 7\n[covenant.wallet]\nrpc = \
                \"http://127.0.0.1:2\"\nuser = \"u\"\npassword_file = \"w\"\nname = \"cov\"\n";
    let covenant = config(&coordinator(text)).expect("a config").covenant;

    let auth = BitcoinAuth::User { user: "u".into(), password_file: "etc/w".into() };
    let wallet = WalletConfig { rpc: "http://127.0.0.1:2".into(), auth, name: "cov".into() };
    assert_eq!(covenant.signer, CovenantSigner::Wallet(wallet));
    assert_eq!(covenant.max_staking_height, 7);
}

#[test]
fn sections__should_report_every_problem_at_once() {
    let text = coordinator(
        "[staking]\ncors_origins = [\"example\"]\nrate_limit = 0\nlimit = 1\n[events]\namqp = \
         \"amqp://u:secret@h\"\nqueue_type = \"lazy\"\n[covenant]\nsigner = \
         \"wallet\"\n[covenant.http]\nlisten = \"here\"\n",
    );
    let found = problems(&text);

    for part in [
        "etc/node.toml:8: staking.cors_origins: expected a list of origins",
        "etc/node.toml:9: staking.rate_limit: expected a whole number from 1 to 100000, got 0",
        "etc/node.toml:10: staking.limit: unknown key",
        "etc/node.toml:12: events.amqp: no password here",
        "etc/node.toml:13: events.queue_type: expected \"quorum\" or \"classic\", got \"lazy\"",
        "covenant.wallet: missing: expected [covenant.wallet]",
        "etc/node.toml:17: covenant.http.listen: expected ADDRESS:PORT",
    ] {
        assert!(found.iter().any(|line| line.contains(part)), "{part}: {found:#?}");
    }
    assert!(!found.iter().any(|line| line.contains("secret")), "{found:?}");
}

#[test]
fn sections__should_need_their_role() {
    let bootnode = format!("{BOOTNODE}[staking]\n[covenant]\n");
    let found = problems(&bootnode);
    assert!(found.iter().any(|line| line.contains("only a node with the role \"coordinator\"")));
    assert!(found.iter().any(|line| line.contains("only a node with the role \"committee\"")));

    let found = problems(&coordinator("[events]\namqp = \"amqp://h\"\n"));
    assert!(found.iter().any(|line| line.contains("events: there are events only with")));
}
