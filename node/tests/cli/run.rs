//! `trestle run`: a node that works, and one clear message for each thing that is wrong.

use crate::support::{self, Folder, chmod};

const FREE: &str = "[api]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
const RUN: [&str; 3] = ["run", "-c", "node.toml"];

fn ready_folder(more: &str) -> Folder {
    let folder = Folder::new();
    folder.write_config(more);
    folder.must_make_keys();
    folder
}

#[test]
fn bootnode__should_run_be_seen_and_stop() {
    let folder = ready_folder(FREE);

    let node = folder.must_start(&[]);

    let listening = node.endpoints["p2p"][0].as_str().expect("an address");
    assert!(listening.starts_with("/ip4/127.0.0.1/tcp/"), "{listening}");
    assert!(node.must_get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(node.must_get("/metrics").contains("trestle_p2p_connected_peers 0"));
    let ready = node.must_get("/readyz");
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let status = folder.run(&["node", "status", "--node", ".", "--json"]);
    assert_eq!(status.code, 0, "{}", status.stderr);
    assert_eq!(status.must_json()["node"]["roles"], serde_json::json!(["bootnode"]));
    let refused = folder.run(&["committee", "dkg", "main", "--config", "node.toml"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("not a coordinator"), "{}", refused.stderr);

    let status = node.must_stop();
    assert!(status.success(), "{status}");
    let gone = folder.run(&["node", "status", "--node", "."]);
    assert_eq!(gone.code, 4, "{}", gone.stderr);
    assert!(gone.stderr.contains("no node runs there"), "{}", gone.stderr);
}

#[test]
fn nodes__should_meet_at_a_bootnode_given_on_the_command_line() {
    let first = ready_folder(FREE);
    let bootnode = first.must_start(&[]);
    let address = bootnode.endpoints["p2p"][0].as_str().expect("an address").to_owned();
    let second = ready_folder(FREE);
    let node = second.must_start(&["--bootnode", &address]);

    let expected = node.endpoints["peer"].as_str().expect("a peer").to_owned();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    // Each look is a request of its own; nothing is assumed of how long meeting takes.
    while !bootnode.must_get("/v1/node").contains(&expected) {
        assert!(std::time::Instant::now() < end, "the two never met");
        std::thread::yield_now();
    }
}

#[test]
fn folder__should_belong_to_one_process() {
    let folder = ready_folder(FREE);
    let node = folder.must_start(&[]);

    let second = folder.run(&RUN);

    assert_eq!(second.code, 1);
    let pid = node.endpoints["pid"].to_string();
    let expected = format!("in use by another trestle process (process {pid})");
    assert!(second.stderr.contains(&expected), "{}", second.stderr);
    assert!(node.must_get("/healthz").starts_with("HTTP/1.1 200"), "the first goes on");
}

#[test]
fn port__should_be_named_when_it_is_taken() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let tcp = format!("/ip4/127.0.0.1/tcp/{}", address.port());
    for (text, key) in [
        (
            format!("[api]\nlisten = \"{address}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"),
            "api.listen",
        ),
        (
            format!("[admin]\nlisten = \"{address}\"\n[api]\nlisten = \"127.0.0.1:0\"\n"),
            "admin.listen",
        ),
    ] {
        let folder = ready_folder(&text);
        let done = folder.run(&RUN);
        assert_eq!(done.code, 1);
        let expected = format!("cannot listen on {address} ({key} in the config)");
        assert!(done.stderr.contains(&expected), "{}", done.stderr);
    }
    let folder = ready_folder(FREE);
    let text = std::fs::read_to_string(folder.path("node.toml")).expect("the config");
    folder.write("node.toml", &text.replace("/ip4/127.0.0.1/tcp/0", &tcp));
    let done = folder.run(&RUN);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains(&format!("cannot listen on {tcp}")), "{}", done.stderr);
}

#[test]
fn config__should_be_refused_with_all_its_problems() {
    let folder = ready_folder(FREE);
    folder.write_config("serve_relay = 1\nlisten_on = []\n[bitcion]\n");

    let done = folder.run(&RUN);

    assert_eq!(done.code, 5);
    for line in [
        "3 problems in the config:",
        "node.toml:6: p2p.serve_relay: expected true or false, got a value of type integer",
        "node.toml:7: p2p.listen_on: unknown key; known here: bootnodes, external, listen, relays, \
         serve_relay",
        "node.toml:8: bitcion: unknown key",
    ] {
        assert!(done.stderr.contains(line), "{line} is not in\n{}", done.stderr);
    }
    let missing = folder.run(&["run", "-c", "nowhere.toml"]);
    assert_eq!(missing.code, 5);
    assert!(missing.stderr.contains("trestle node init"), "{}", missing.stderr);
}

#[test]
fn keys__should_be_needed_and_nobody_elses() {
    let folder = Folder::new();
    folder.write_config(FREE);
    let none = folder.run(&RUN);
    assert_eq!(none.code, 6);
    assert!(none.stderr.contains("trestle keys new"), "{}", none.stderr);

    folder.must_make_keys();
    folder.write("wrong", "not the passphrase\n");
    let wrong = folder.run(&[&RUN[..], &["--passphrase-file", "wrong"]].concat());
    assert_eq!(wrong.code, 6);
    assert!(wrong.stderr.contains("wrong passphrase"), "{}", wrong.stderr);
    assert!(!folder.path("data/admin.token").exists(), "no partial state");

    chmod(&folder.path("data/node.keys"), 0o604);
    let open = folder.run(&RUN);
    assert_eq!(open.code, 6);
    assert!(open.stderr.contains("mode 0604"), "{}", open.stderr);
}

#[test]
fn member__should_be_listed_with_its_own_key() {
    let folder = ready_folder(FREE);
    let params = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/params.regtest.toml");
    let bitcoin = "[bitcoin]\nrpc = \"http://127.0.0.1:1\"\ncookie_file = \"none\"\n";
    let text = format!(
        "data_dir = \"data\"\nroles = [\"committee\", \"coordinator\"]\nparams = \"{params}\"\n\
         {FREE}{bitcoin}"
    );
    folder.write("node.toml", &text);

    let done = folder.run(&RUN);

    assert_eq!(done.code, 5);
    for part in ["as a member", "under coordinators"] {
        assert!(done.stderr.contains(part), "{part} is not in\n{}", done.stderr);
    }
}

#[test]
fn usage__should_have_an_exit_code_of_its_own() {
    let folder = Folder::new();

    assert_eq!(folder.run(&["committee", "pay", "main"]).code, 2);
    assert_eq!(folder.run(&["committee", "status"]).code, 2);
    let amount = ["committee", "pay", "main", "--to", "x", "--amount", "1.5"];
    let done = folder.run(&amount);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("Write 1.5btc or 150000000sat"), "{}", done.stderr);
    let wrong = folder.run(&[&amount[..6], &["1eth"]].concat());
    assert!(wrong.stderr.contains("expected satoshis"), "{}", wrong.stderr);
    assert!(folder.run(&["--help"]).stdout.contains("Exit codes:"));
}

#[test]
fn devnet__should_refuse_a_size_before_anything_starts() {
    let folder = Folder::new();
    for (args, told) in [
        (&["up", "--threshold", "9", "--committee", "3"][..], "--threshold 9: expected 2 to 3"),
        (&["up", "--threshold", "1"], "--threshold 1: expected 2 to 3"),
        (&["up", "--committee", "1", "--threshold", "1"], "--committee 1: expected 2 to 128"),
        (&["up", "--committee", "129"], "--committee 129: expected 2 to 128"),
        (&["demo", "--threshold", "4"], "--threshold 4: expected 2 to 3"),
        (&["demo", "staking", "--threshold", "4"], "--threshold 4: expected 1 to 3"),
    ] {
        // Were anything started, it would be this program, and the failure another.
        let mut command = folder.command(&[&["devnet"][..], args].concat());
        command.env("BITCOIND", "/nowhere/bitcoind");
        let done = support::run(command);

        assert_eq!(done.code, 2, "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(told), "{told:?} is not in {}", done.stderr);
        assert_eq!(done.stdout, "", "{args:?}");
    }
}
