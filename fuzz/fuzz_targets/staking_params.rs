//! Any text as a file of global parameters: read or refused, and the explanation agrees.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trestle_staking::{
    GlobalParams,
    params::{Problem, appends, check},
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let findings = check(text);
    let lines = 1 + text.matches('\n').count();
    assert!(findings.iter().all(|finding| (1..=lines).contains(&finding.line)));
    let faulty = findings.iter().any(|finding| matches!(finding.what, Problem::Error(_)));
    let Ok(params) = GlobalParams::parse(text) else {
        assert!(faulty);
        return;
    };
    assert!(!faulty);
    let versions = params.versions();
    assert!(!versions.is_empty());
    for pair in versions.windows(2) {
        assert_eq!(pair[0].version + 1, pair[1].version);
        assert!(pair[0].activation_height < pair[1].activation_height);
    }
    for version in versions {
        assert!(version.unbonding_fee < version.min_staking_amount);
        assert!(version.min_staking_amount <= version.max_staking_amount);
        assert!(version.min_staking_time <= version.max_staking_time);
        let Ok(height) = u32::try_from(version.activation_height) else { continue };
        assert_eq!(params.params_at(height), Some(version));
    }
    assert_eq!(appends(&params, &params), Ok(0));
});
