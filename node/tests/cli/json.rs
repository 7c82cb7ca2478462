//! `--json`: one document on stdout for a result, one on stderr for an error.

use serde_json::Value;

use crate::support::{Done, Folder};

fn must_be_one_document(args: &[&str], done: &Done) {
    assert_eq!(done.code, 0, "{args:?}: {}", done.stderr);
    let mut documents = serde_json::Deserializer::from_str(&done.stdout).into_iter::<Value>();
    let first = documents.next();
    assert!(matches!(first, Some(Ok(_))), "{args:?}: {}", done.stdout);
    assert!(documents.next().is_none(), "{args:?}: {}", done.stdout);
    assert_eq!(done.stderr, "", "{args:?}");
}

fn must_be_one_error(args: &[&str], done: &Done, code: i32) {
    assert_eq!(done.code, code, "{args:?}: {}", done.stderr);
    assert_eq!(done.stdout, "", "{args:?}");
    let error: Value = serde_json::from_str(&done.stderr)
        .unwrap_or_else(|e| panic!("{args:?}: {e}: {:?}", done.stderr));
    assert!(error["error"]["code"].is_string(), "{error}");
    assert!(error["error"]["message"].is_string(), "{error}");
}

#[test]
fn json__should_be_one_document_for_what_needs_no_node() {
    let folder = Folder::new();
    folder.write_config("");
    folder.write("other", "another passphrase\n");
    let params = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/params.regtest.toml");
    let secrets = ["--passphrase-file", "passphrase", "--new-passphrase-file", "other"];
    let import = ["--data-dir", "second", "--network", "regtest", "--passphrase-file", "other"];
    let own = ["--new-passphrase-file", "passphrase"];
    for args in [
        vec!["keys", "new", "-c", "node.toml"],
        vec!["keys", "show", "-c", "node.toml"],
        vec!["keys", "show", "-c", "node.toml", "--toml"],
        [&["keys", "export", "-c", "node.toml", "--out", "copy"][..], &secrets].concat(),
        [&["keys", "import", "copy"][..], &import, &own].concat(),
        vec!["params", "check", params],
        vec!["params", "hash", params],
        vec!["node", "init", "--role", "bootnode", "--dir", "n"],
    ] {
        let args = [&args[..], &["--json"]].concat();
        must_be_one_document(&args, &folder.run(&args));
    }
}

#[test]
fn json__should_be_one_document_for_what_a_node_answers() {
    let folder = Folder::new();
    folder.write_role_config(&["coordinator"], "");
    let node = folder.must_start(&[]);
    for args in [
        &["node", "status"][..],
        &["committee", "status"],
        &["committee", "status", "main"],
        &["committee", "payments", "main"],
        &["committee", "coins", "main"],
    ] {
        let args = [args, &["--node", ".", "--json"]].concat();
        must_be_one_document(&args, &folder.run(&args));
    }
    let to = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    for (args, code) in [
        (&["committee", "key", "main"][..], 1),
        (&["committee", "status", "nobody"], 3),
        (&["committee", "pay", "nobody", "--to", to, "--amount", "5000sat"], 3),
    ] {
        let args = [args, &["--node", ".", "--json"]].concat();
        must_be_one_error(&args, &folder.run(&args), code);
    }
    let args = ["committee", "pay", "nobody", "--to", to, "--amount", "5000sat", "--node", "."];
    let args = [&args[..], &["--id", "invoice-17", "--json"]].concat();
    let failed = folder.run(&args);
    // The node has said no: there is nothing that a repetition could find.
    assert!(failed.stderr.contains("not_found"), "{}", failed.stderr);
    assert!(!failed.stderr.contains("repeat it"), "{}", failed.stderr);
    assert!(node.must_stop().success());
}

#[test]
fn json__should_be_one_error_for_each_kind_of_failure() {
    let folder = Folder::new();
    for (args, code) in [
        (&["node", "init", "--role", "king", "--dir", "n"][..], 2),
        (&["committee", "pay", "main"], 2),
        (&["nonsense"], 2),
        (&["node", "status", "--node", "."], 4),
        (&["run", "-c", "nowhere.toml"], 5),
        (&["keys", "show", "--data-dir", "none", "--network", "regtest"], 6),
    ] {
        let args = [args, &["--json"]].concat();
        must_be_one_error(&args, &folder.run(&args), code);
    }
    let help = folder.run(&["--help", "--json"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("With --json a result is one JSON document"), "{}", help.stdout);
}

#[test]
fn status__should_say_who_knows_more_than_this_node() {
    let folder = Folder::new();
    folder.write_role_config(&["committee"], "");
    let node = folder.must_start(&[]);

    let status = folder.run(&["committee", "status", "--node", "."]);

    assert_eq!(status.code, 0, "{}", status.stderr);
    assert!(status.stdout.contains("This node does not coordinate main."), "{}", status.stdout);
    assert!(status.stdout.contains("trestle committee status main --node DIR"));
    assert!(node.must_stop().success());
}
