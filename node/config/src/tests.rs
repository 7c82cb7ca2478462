#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::path::PathBuf;

use trestle_wire::hello::Role;

use super::*;

const BOOTNODE: &str = "data_dir = \"data\"\nroles = [\"bootnode\"]\nnetwork = \"regtest\"\n";

fn config(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("etc/node.toml"), text)
}

fn problems(text: &str) -> Vec<String> {
    let error = config(text).err().map(|e| e.problems).unwrap_or_default();
    error.iter().map(ToString::to_string).collect()
}

fn conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf")
}

// Shared parameters without staking, which name no other file.
fn params(name: &str, text: &str) -> Result<trestle_keys::Params, ConfigError> {
    let none = |path: &Path| Err(format!("{} was not to be read", path.display()));
    parse_params(Path::new(name), text, none).map(|shared| shared.params)
}

fn must_read_params() -> String {
    std::fs::read_to_string(conf().join("params.regtest.toml")).expect("an example file")
}

#[test]
fn examples__should_all_load() {
    let mut loaded = 0;
    for entry in std::fs::read_dir(conf()).expect("the folder of examples") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if !name.ends_with(".toml") {
            continue;
        }
        if name.starts_with("params.") {
            load_params(&path).unwrap_or_else(|e| panic!("{e}"));
        } else {
            let config = Config::load(&path).unwrap_or_else(|e| panic!("{e}"));
            outside::load_shared(&config).unwrap_or_else(|e| panic!("{e}"));
        }
        loaded += 1;
    }
    assert!(loaded >= 4, "only {loaded} example files were found");
}

// What an example shows commented out is what holds without it.
#[test]
fn examples__should_show_the_defaults() {
    let shown = Config::load(&conf().join("committee.toml")).expect("an example");
    let bare = "data_dir = \"d\"\nroles = [\"committee\"]\nparams = \"p\"\n[bitcoin]\nrpc = \
                \"http://127.0.0.1:1\"\ncookie_file = \"c\"\n";
    let bare = config(bare).expect("only what must be there");

    assert_eq!(format!("{:?}", shown.committee), format!("{:?}", bare.committee));
    assert_eq!(format!("{:?}", shown.coordinator), format!("{:?}", bare.coordinator));
    assert_eq!(format!("{:?}", shown.p2p), format!("{:?}", bare.p2p));
    assert_eq!(format!("{:?}", shown.log), format!("{:?}", bare.log));
    assert_eq!(shown.covenant, bare.covenant);
    assert_eq!(shown.api.listen, bare.api.listen);
    assert_eq!(bare.api.connections_per_address, 64);
    assert_eq!(shown.admin.listen, bare.admin.listen);
}

#[test]
fn config__should_take_paths_from_its_own_folder() {
    let config = config(BOOTNODE).expect("a config");

    assert_eq!(config.data_dir, Path::new("etc/data"));
    assert_eq!(config.keys, Path::new("etc/data/node.keys"));
    assert_eq!(config.admin.token_file, Path::new("etc/data/admin.token"));
    assert!(config.p2p.serve_relay, "a bootnode serves as a relay unless told otherwise");
    assert_eq!(config.roles.into_iter().collect::<Vec<_>>(), [Role::Bootnode]);
}

#[test]
fn config__should_report_every_problem_at_once() {
    let text = "data_dir = 7\nroles = [\"signer\"]\nnetwork = \"mainet\"\nextra = 1\n[p2p]\nlisten \
                = [\"0.0.0.0:1\"]\nserve_relay = \"yes\"\n[log]\nformat = \"xml\"\n[committee]\n\
                window_blocks = 0\n";

    assert_eq!(
        problems(text),
        [
            "etc/node.toml:1: data_dir: expected the path of a file, got a value of type integer",
            "etc/node.toml:2: roles: expected a list of \"bootnode\", \"committee\" or \
             \"coordinator\", got \"signer\" in it",
            "etc/node.toml:3: network: expected \"mainnet\", \"testnet4\", \"signet\" or \
             \"regtest\", got \"mainet\"",
            "etc/node.toml:4: extra: unknown key; known here: admin, api, bitcoin, committee, \
             coordinator, covenant, data_dir, events, keys, log, network, p2p, params, roles, \
             staking, store",
            "etc/node.toml:6: p2p.listen: expected a list of multiaddresses (/ip4/…/tcp/… or \
             /ip4/…/udp/…/quic-v1), got \"0.0.0.0:1\" in it",
            "etc/node.toml:7: p2p.serve_relay: expected true or false, got a value of type string",
            "etc/node.toml:9: log.format: expected \"text\" or \"json\", got \"xml\"",
            "etc/node.toml:11: committee.window_blocks: expected a whole number from 1 to 52560, \
             got 0",
        ]
    );
}

#[test]
fn config__should_say_what_a_role_needs() {
    let found = problems("data_dir = \"d\"\nroles = [\"committee\"]\n").join("\n");

    assert!(found.contains("params: missing"), "{found}");
    assert!(found.contains("bitcoin: missing"), "{found}");
    let found = problems("data_dir = \"d\"\nroles = []\n").join("\n");
    assert!(found.contains("roles: missing"), "{found}");
}

#[test]
fn config__should_refuse_passwords_and_open_admin_listeners() {
    for (section, key) in [
        ("[store]\nurl = \"postgres://user:secret@localhost/db\"", "store.url"),
        ("[bitcoin]\nrpc = \"http://user:secret@localhost:1\"\ncookie_file = \"c\"", "bitcoin.rpc"),
        ("[bitcoin]\nrpc = \"http://localhost:1\"\nuser = \"u\"", "bitcoin"),
        ("[admin]\nlisten = \"0.0.0.0:1\"", "admin.listen"),
        ("[p2p]\nbootnodes = [\"/ip4/127.0.0.1/tcp/1\"]", "p2p.bootnodes"),
    ] {
        let found = problems(&format!("{BOOTNODE}{section}\n"));
        assert!(found.iter().any(|line| line.contains(&format!(": {key}: "))), "{found:?}");
        assert!(!found.iter().any(|line| line.contains("secret")), "{found:?}");
    }
}

#[test]
fn config__should_refuse_two_listeners_on_one_port() {
    let udp = "/ip4/0.0.0.0/udp/7181/quic-v1";
    for (p2p, api, admin, wrong) in [
        (
            "/ip4/127.0.0.1/tcp/7180",
            "127.0.0.1:7180",
            "127.0.0.1:7181",
            Some("api.listen: port 7180"),
        ),
        (
            "/ip4/0.0.0.0/tcp/7181",
            "127.0.0.1:7180",
            "127.0.0.1:7181",
            Some("admin.listen: port 7181"),
        ),
        (udp, "127.0.0.1:9000", "127.0.0.1:9000", Some("admin.listen: port 9000")),
        (udp, "127.0.0.1:9000", "[::1]:9000", None),
        (udp, "127.0.0.1:7180", "127.0.0.1:7181", None),
        ("/ip4/127.0.0.1/tcp/0", "127.0.0.1:0", "127.0.0.1:0", None),
    ] {
        let sections = format!(
            "[p2p]\nlisten = [\"{p2p}\"]\n[api]\nlisten = \"{api}\"\n[admin]\nlisten = \"{admin}\"\n"
        );
        let found = problems(&format!("{BOOTNODE}{sections}"));
        match wrong {
            Some(wrong) => assert!(found.len() == 1 && found[0].contains(wrong), "{found:?}"),
            None => assert!(found.is_empty(), "{found:?}"),
        }
    }
}

#[test]
fn multiaddr__should_lead_to_a_port() {
    for good in [
        "/ip4/127.0.0.1/tcp/0",
        "/ip6/::/udp/7170/quic-v1",
        "/dns4/boot.example.org/tcp/7170",
        "/ip4/10.0.0.1/tcp/1/p2p/x/p2p-circuit",
    ] {
        assert_eq!(multiaddr(good).as_deref(), Some(good));
    }
    for wrong in [
        "127.0.0.1:7170",
        "/ip4/127.0.0.1/tcp",
        "/ip4/127.0.0.1/tcp/x",
        "/ip4/127.0.0.1/tcp/70000",
        "/ip4/127.0.0.256/tcp/1",
        "/ip4/::1/tcp/1",
        "/ip4/127.0.0.1/udp/7170",
        "/ip4/127.0.0.1/sctp/1",
        "/ip4/127.0.0.1/tcp/1/",
    ] {
        assert_eq!(multiaddr(wrong), None, "{wrong}");
    }
}

#[test]
fn config__should_show_where_the_syntax_breaks() {
    let found = problems("data_dir = \"d\"\nroles = [\n");

    assert!(found.iter().any(|line| line.starts_with("etc/node.toml:")), "{found:?}");
}

#[test]
fn params__should_not_depend_on_the_order_of_the_file() {
    let text = must_read_params();
    let (head, members) = text.split_once("[[committee.member]]").expect("members");
    let mut members: Vec<_> = members.split("[[committee.member]]").collect();
    members.reverse();
    let turned = format!("{head}[[committee.member]]{}", members.join("[[committee.member]]"));

    let one = params("p", &text).expect("the example");
    let other = params("p", &turned).expect("the example in another order");

    assert_eq!(one.hash(), other.hash());
}

#[test]
fn params__should_report_duplicates_and_unknown_keys() {
    let text = must_read_params();
    let turned = text.replace("index = 2", "index = 1").replace("threshold = 2", "treshold = 2");

    let error = params("params.toml", &turned).err().map(|e| e.to_string());
    let error = error.unwrap_or_default();

    assert!(error.contains("committee[1].treshold: unknown key"), "{error}");
    assert!(error.contains("committee[1].threshold: missing"), "{error}");

    let turned = text.replace("index = 2", "index = 1");
    let error = params("params.toml", &turned).err().map(|e| e.to_string());
    assert!(error.is_some_and(|error| error.contains("two members have the same index")));
}

mod staking;
