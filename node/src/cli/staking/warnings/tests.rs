//! Caps at their boundaries, versions that change, fees.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use super::*;

/// Version 0 from height 110 with a cap of 10 BTC, version 1 from 500.
fn rules() -> GlobalParams {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/global-params.regtest.json");
    let text = std::fs::read_to_string(file).expect("an example file");
    GlobalParams::parse(&text).expect("the example is valid")
}

fn windowed() -> GlobalParams {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/global-params.regtest.json");
    let text = std::fs::read_to_string(file).expect("an example file");
    let text = text.replace("\"staking_cap\": 1000000000,", "\"cap_height\": 200,");
    GlobalParams::parse(&text).expect("a window is valid too")
}

/// Nothing to tell.
fn quiet(all: &GlobalParams) -> Situation<'_> {
    Situation {
        all,
        params: all.params_at(200).expect("a version"),
        next: 200,
        tvl: Some((0, 0)),
        tip: None,
        value: Amount::from_sat(100_000_000),
        fee: Amount::from_sat(1_000),
        rate: Rate::per_kvb(2_000),
        least: Rate::per_kvb(1_000),
        registered: None,
    }
}

fn told(all: &GlobalParams, next: u32, tvl: Option<(u64, u64)>) -> Vec<Warning> {
    let params = all.params_at(next).expect("a version");
    warnings(&Situation { params, next, tvl, ..quiet(all) })
}

const CAP: u64 = 1_000_000_000;

#[test]
fn value_cap__should_be_overflow_from_the_cap_on() {
    let all = rules();
    for (active, unconfirmed, overflow) in
        [(0, CAP - 1, false), (CAP - 1, CAP - 1, false), (CAP - 1, CAP, true), (CAP, 0, true)]
    {
        let found = told(&all, 200, Some((active, unconfirmed)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].overflow, overflow, "{active} {unconfirmed}: {found:?}");
    }
}

#[test]
fn value_cap__should_be_quiet_while_there_is_room() {
    let all = rules();
    assert_eq!(told(&all, 200, Some((0, CAP / 5))), []);
    assert_eq!(told(&all, 200, Some((0, CAP / 5 + 10_000_000))).len(), 1);
    let unknown = told(&all, 200, None);
    assert!(unknown[0].text.contains("is not known"), "{unknown:?}");
}

#[test]
fn window__should_be_overflow_after_its_last_height() {
    let all = windowed();
    for (next, count, overflow) in
        [(150, 0, false), (197, 0, false), (198, 1, false), (200, 1, false), (201, 1, true)]
    {
        let found = told(&all, next, None);
        assert_eq!(found.len(), count, "{next}: {found:?}");
        assert_eq!(found.iter().any(|warning| warning.overflow), overflow, "{next}: {found:?}");
    }
}

#[test]
fn version__should_be_told_when_it_changes_soon() {
    let all = rules();
    assert_eq!(told(&all, 497, Some((0, 0))), []);
    let found = told(&all, 498, Some((0, 0)));
    assert!(found[0].text.contains("version 1 of the parameters takes effect at height 500"));
    assert_eq!(told(&all, 500, Some((0, 0))), []);
}

#[test]
fn fees_and_providers__should_be_told() {
    let all = rules();
    let found = warnings(&Situation {
        all: &all,
        params: all.params_at(200).expect("a version"),
        next: 200,
        tvl: Some((CAP, CAP)),
        tip: None,
        value: Amount::from_sat(100_000),
        fee: Amount::from_sat(1_001),
        rate: Rate::per_kvb(1_236),
        least: Rate::per_kvb(1_237),
        registered: Some(false),
    });
    let texts: Vec<&str> = found.iter().map(|warning| warning.text.as_str()).collect();
    assert!(found[0].overflow, "the gravest first: {texts:?}");
    for part in [
        "over 1 % of the stake",
        "1.236 sat/vB is below the mempool's minimum of 1.237 sat/vB",
        "not registered",
    ] {
        assert!(texts.iter().any(|text| text.contains(part)), "{part}: {texts:?}");
    }
}

#[test]
fn figures_of_another_time__should_be_told() {
    let all = rules();
    let height_of = |tip| {
        let found = warnings(&Situation { tip: Some(tip), ..quiet(&all) });
        found.into_iter().find(|warning| warning.kind == Kind::Height).map(|warning| warning.text)
    };
    for close in 197..=201 {
        assert_eq!(height_of(close), None, "{close}");
    }
    let behind = height_of(196).expect("stakes of three blocks are not in it");
    assert!(behind.contains("come to block 196, and bitcoind is at 199"), "{behind}");
    let ahead = height_of(202).expect("bitcoind does not know the chain's tip");
    assert!(ahead.contains("come to block 199, and the coordinator is at 202"), "{ahead}");
}
