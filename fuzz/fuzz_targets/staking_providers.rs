//! Any text as a registry of finality providers.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trestle_staking::providers::Providers;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok((providers, rejected)) = Providers::parse(text) else { return };
    for provider in providers.entries() {
        // Each key stands there once, and is found.
        assert_eq!(providers.get(&provider.key), Some(provider));
    }
    assert!(rejected.windows(2).all(|pair| pair[0].place < pair[1].place));
    for one in rejected {
        assert!(!one.fault.to_string().is_empty());
    }
});
