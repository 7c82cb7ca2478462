//! Any text as a node's config and as shared parameters.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use trestle_config::{Config, parse_params};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    drop(Config::parse(Path::new("node.toml"), text));
    // The same text as file of global parameters: no fuzzer should read other files.
    let global = |_: &Path| Ok(text.to_owned());
    if let Ok(shared) = parse_params(Path::new("params.toml"), text, global) {
        // What loads can be compared with a peer's.
        assert_eq!(shared.params.hash(), shared.params.hash());
        assert!(shared.params.problems().is_empty());
    }
});
