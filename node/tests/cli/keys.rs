//! `trestle keys`, `params`, `node init` and `committee verify` as a person uses them.

use crate::support::{Folder, chmod, run};

#[test]
fn keys__should_be_made_shown_exported_and_imported() {
    let folder = Folder::new();
    folder.write_config("");
    folder.write("other", "another passphrase\n");

    let made = folder.must_make_keys();
    let shown = folder.run(&["keys", "show", "-c", "node.toml", "--json"]);
    assert_eq!(shown.must_json(), made);

    let copy = ["--out", "copy", "--new-passphrase-file", "other", "--json"];
    let exported = folder.run(&[&["keys", "export", "-c", "node.toml"][..], &copy].concat());
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    let target = ["--data-dir", "second", "--network", "regtest"];
    let secrets = ["--passphrase-file", "other", "--new-passphrase-file", "passphrase", "--json"];
    let imported = folder.run(&[&["keys", "import", "copy"][..], &target, &secrets].concat());
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    assert_eq!(imported.must_json()["peer"], made["peer"]);
    assert_eq!(imported.must_json()["committee_key"], made["committee_key"]);
}

#[test]
fn keys__should_be_shown_as_lines_of_the_parameters() {
    let folder = Folder::new();
    folder.write_config("");
    let made = folder.must_make_keys();
    let colleague = Folder::new();
    colleague.write_config("");
    colleague.must_make_keys();

    let show = ["keys", "show", "-c", "node.toml", "--toml"];
    let (shown, theirs) = (folder.run(&show), colleague.run(&show).stdout);

    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let lines: toml::Table = shown.stdout.parse().expect("TOML");
    let member = &lines["committee"]["member"][0];
    assert_eq!(member["peer"].as_str(), made["peer"].as_str());
    assert_eq!(member["key"].as_str(), made["committee_key"].as_str());
    // With the lines of a committee above and an index, it is one.
    let head = format!(
        "network = \"regtest\"\n[[committee]]\nname = \"main\"\nscheme = \"frost\"\nthreshold = \
         2\ncoordinators = [{}]\n{theirs}index = 2\n",
        made["peer"]
    );
    folder.write("bad.toml", &format!("{head}{}", shown.stdout));
    let unnumbered = folder.run(&["params", "check", "bad.toml"]);
    assert_eq!(unnumbered.code, 5, "an index is for the committee to give");
    assert!(unnumbered.stderr.contains("index"), "{}", unnumbered.stderr);
    folder.write("good.toml", &format!("{head}{}index = 1\n", shown.stdout));
    let checked = folder.run(&["params", "check", "good.toml"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
}

#[test]
fn keys__should_say_what_the_network_is_for() {
    let help = Folder::new().run(&["keys", "new", "--help"]).stdout;
    assert!(help.contains("The keys are the same on every network"), "{help}");
}

#[test]
fn keys__should_come_from_a_file_descriptor() {
    let folder = Folder::new();
    folder.write_config("");
    let made = folder.must_make_keys();

    let mut command =
        folder.command(&["keys", "show", "-c", "node.toml", "--json", "--passphrase-fd", "0"]);
    command.stdin(std::fs::File::open(folder.path("passphrase")).expect("the passphrase"));
    let shown = run(command);

    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert_eq!(shown.must_json(), made);
}

#[test]
fn keys__should_never_be_overwritten() {
    let folder = Folder::new();
    folder.write_config("");
    folder.must_make_keys();
    let before = std::fs::read(folder.path("data/node.keys")).expect("keys");

    let again = folder.run(&["keys", "new", "-c", "node.toml"]);

    assert_eq!(again.code, 6);
    assert!(again.stderr.contains("never overwritten"), "{}", again.stderr);
    assert_eq!(std::fs::read(folder.path("data/node.keys")).expect("keys"), before);
}

#[test]
fn keys__should_say_what_is_wrong_with_their_file() {
    let folder = Folder::new();
    folder.write_config("");
    folder.must_make_keys();
    let path = folder.path("data/node.keys");
    let show = ["keys", "show", "-c", "node.toml"];
    let whole = std::fs::read(&path).expect("keys");

    folder.write("wrong", "not the passphrase\n");
    let wrong = folder.run(&[&show[..], &["--passphrase-file", "wrong"]].concat());
    assert_eq!(wrong.code, 6);
    assert!(wrong.stderr.contains("wrong passphrase"), "{}", wrong.stderr);

    std::fs::write(&path, &whole[..40]).expect("a shorter file");
    let truncated = folder.run(&show);
    assert_eq!(truncated.code, 6);
    assert!(truncated.stderr.contains("truncated"), "{}", truncated.stderr);

    let mut altered = whole.clone();
    if let Some(last) = altered.last_mut() {
        *last ^= 1;
    }
    std::fs::write(&path, altered).expect("an altered file");
    let altered = folder.run(&show);
    assert_eq!(altered.code, 6);
    assert!(altered.stderr.contains("altered"), "{}", altered.stderr);

    std::fs::write(&path, whole).expect("the file");
    chmod(&path, 0o644);
    let open = folder.run(&show);
    assert_eq!(open.code, 6);
    assert!(open.stderr.contains("mode 0644"), "{}", open.stderr);
    assert!(open.stderr.contains("chmod 600"), "{}", open.stderr);
}

#[test]
fn test_keys__should_be_refused_outside_of_regtest() {
    let folder = Folder::new();
    folder.write_config("");
    folder.must_make_keys();

    let elsewhere = folder.run(&["keys", "new", "--data-dir", "x", "--network", "mainnet"]);
    assert_eq!(elsewhere.code, 6);
    assert!(elsewhere.stderr.contains("regtest only"), "{}", elsewhere.stderr);

    let mut production = folder.command(&["keys", "show", "-c", "node.toml"]);
    production.env_remove("TRESTLE_INSECURE_TEST_KEYS");
    let refused = run(production);
    assert_eq!(refused.code, 6);
    assert!(refused.stderr.contains("too cheap"), "{}", refused.stderr);
}

#[test]
fn passphrase__should_be_asked_for_only_at_a_terminal() {
    let folder = Folder::new();
    folder.write_config("");
    let mut command = folder.command(&["keys", "new", "-c", "node.toml", "--passphrase-fd", "0"]);
    command.stdin(std::process::Stdio::null());

    let empty = run(command);

    assert_eq!(empty.code, 6, "{}", empty.stderr);
    assert!(empty.stderr.contains("empty first line"), "{}", empty.stderr);
    assert!(!folder.path("data").exists(), "no partial state");
}

#[test]
fn params__should_be_checked_and_hashed() {
    let folder = Folder::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/params.regtest.toml");

    let checked = folder.run(&["params", "check", example, "--json"]);
    let hashed = folder.run(&["params", "hash", example]);

    assert_eq!(checked.code, 0, "{}", checked.stderr);
    assert_eq!(checked.must_json()["committees"][0]["quorums_intersect_honestly"], false);
    assert_eq!(checked.must_json()["hash"], hashed.stdout.trim());

    let text = std::fs::read_to_string(example).expect("the example");
    folder.write("bad.toml", &text.replace("threshold = 2", "threshold = \"two\"\nmood = 1"));
    let bad = folder.run(&["params", "check", "bad.toml"]);
    assert_eq!(bad.code, 5);
    assert!(bad.stderr.contains("committee[1].mood: unknown key"), "{}", bad.stderr);
    assert!(
        bad.stderr.contains("committee[1].threshold: expected a whole number"),
        "{}",
        bad.stderr
    );
}

#[test]
fn init__should_write_a_config_that_loads() {
    for role in ["bootnode", "committee", "coordinator"] {
        let folder = Folder::new();
        let peer = "12D3KooWS4SgAzFJhGnpZgtzo7imufoKrakZRZHts63wQAdqcGt1";
        let bootnode = format!("/ip4/127.0.0.1/tcp/9/p2p/{peer}");
        let args = ["node", "init", "--role", role, "--dir", "n", "--json"];
        let more = ["--bootnode", &bootnode, "--api-listen", "127.0.0.1:0"];

        let done = folder.run(&[&args[..], &more].concat());

        assert_eq!(done.code, 0, "{}", done.stderr);
        let text = std::fs::read_to_string(folder.path("n/node.toml")).expect("the config");
        assert!(text.contains(&bootnode), "{text}");
        assert!(text.contains("listen = \"127.0.0.1:0\""), "{text}");
        assert!(text.contains("# The public listener"), "the comments stay");
        let keys = folder.run(&["keys", "new", "-c", "n/node.toml"]);
        // Only the bootnode's network is known before there are parameters, and test keys need it.
        assert_eq!(keys.code, if role == "bootnode" { 0 } else { 6 }, "{}", keys.stderr);
        assert_eq!(folder.run(&args).code, 1, "a second time it would overwrite");
    }
}

#[test]
fn init__should_write_one_config_for_several_roles() {
    for (roles, expected) in [
        ("committee,coordinator", r#"["committee", "coordinator"]"#),
        ("coordinator,committee", r#"["committee", "coordinator"]"#),
        ("bootnode,coordinator", r#"["bootnode", "coordinator"]"#),
        ("bootnode,committee,coordinator,committee", r#"["bootnode", "committee", "coordinator"]"#),
    ] {
        let folder = Folder::new();
        let done = folder.run(&["node", "init", "--role", roles, "--dir", "n"]);

        assert_eq!(done.code, 0, "{roles}: {}", done.stderr);
        let text = std::fs::read_to_string(folder.path("n/node.toml")).expect("the config");
        let config: toml::Table = text.parse().expect("TOML");
        assert_eq!(config["roles"].to_string(), expected, "{text}");
        for role in ["committee", "coordinator"] {
            assert_eq!(config.contains_key(role), roles.contains(role), "{role} in {text}");
        }
        let relays = config["p2p"]["serve_relay"].as_bool();
        assert_eq!(relays, Some(roles.contains("bootnode")), "{text}");
        assert!(!roles.contains("committee") || text.contains("# What this member signs"));
    }
}

#[test]
fn init__should_refuse_what_no_node_could_run_with() {
    let peer = "12D3KooWS4SgAzFJhGnpZgtzo7imufoKrakZRZHts63wQAdqcGt1";
    let contact = format!("/ip4/127.0.0.1/tcp/9/p2p/{peer}");
    for (more, told) in [
        (&["--p2p-listen", "0.0.0.0:7170"][..], "expected a multiaddress such as /ip4/"),
        (&["--p2p-listen", "/ip4/0.0.0.0/tcp/70000"], "expected a multiaddress such as /ip4/"),
        (&["--external", "/ip4/0.0.0.0/udp/1"], "expected a multiaddress such as /ip4/"),
        (&["--bootnode", "/ip4/127.0.0.1/tcp/9"], "ends in /p2p/PEER"),
        (&["--bootnode", &contact[1..]], "ends in /p2p/PEER"),
        (
            &["--api-listen", "127.0.0.1:7181"],
            "admin.listen: port 7181 is wanted by api.listen too",
        ),
        (
            &["--p2p-listen", "/ip4/0.0.0.0/tcp/9001", "--admin-listen", "127.0.0.1:9001"],
            "admin.listen: port 9001 is wanted by p2p.listen too",
        ),
        (&["--admin-listen", "0.0.0.0:1"], "admin.listen: expected a loopback address"),
    ] {
        for role in ["bootnode", "coordinator"] {
            let folder = Folder::new();
            let args = ["node", "init", "--role", role, "--dir", "n"];

            let done = folder.run(&[&args[..], more].concat());

            assert_eq!(done.code, 2, "{more:?}: {}", done.stderr);
            assert!(done.stderr.contains(told), "{told:?} is not in {}", done.stderr);
            assert!(!folder.path("n").exists(), "{more:?}: something was written");
        }
    }
}

#[test]
fn init__should_compare_the_network_with_that_of_the_parameters() {
    for (role, network, code) in [
        ("committee", Some("signet"), 2),
        ("committee", Some("regtest"), 0),
        ("committee", None, 0),
        ("bootnode", Some("signet"), 2),
        ("bootnode", None, 0),
    ] {
        let folder = Folder::new();
        let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let example = std::fs::read_to_string(example.join("../conf/params.regtest.toml"));
        folder.write("params.toml", &example.expect("the example"));
        let args = ["node", "init", "--role", role, "--dir", "n", "--params", "params.toml"];
        let network: Vec<&str> = network.map_or(vec![], |name| vec!["--network", name]);

        let done = folder.run(&[&args[..], &network].concat());

        assert_eq!(done.code, code, "{role} {network:?}: {}", done.stderr);
        assert_eq!(folder.path("n").exists(), code == 0, "{role} {network:?}");
        if code != 0 {
            assert!(done.stderr.contains("--network says signet"), "{}", done.stderr);
            assert!(done.stderr.contains("are of regtest"), "{}", done.stderr);
        }
    }
}

#[test]
fn verify__should_tell_a_signature_from_another() {
    let folder = Folder::new();
    let address = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0";
    let signature = format!("AUA{}", "A".repeat(85));
    let args = ["committee", "verify", "--address", address, "--text", "hello"];

    let wrong = folder.run(&[&args[..], &["--signature", &signature]].concat());
    assert_eq!(wrong.code, 1, "{}", wrong.stderr);
    let nonsense = folder.run(&[&args[..], &["--signature", "AAAA", "--json"]].concat());
    assert_eq!(nonsense.code, 2, "{}", nonsense.stderr);
    let error: serde_json::Value = serde_json::from_str(&nonsense.stderr).expect("JSON");
    assert_eq!(error["error"]["code"], "usage");
}
