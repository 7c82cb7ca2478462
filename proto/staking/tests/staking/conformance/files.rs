//! The published files of global parameters.

use trestle_staking::{
    Cap, GlobalParams,
    params::{Problem, check},
};

use super::Vectors;

/// A file, which must be valid and read back from its own JSON.
fn file(vectors: &Vectors, name: &str) -> GlobalParams {
    let text = vectors.text(name);
    let params = GlobalParams::parse(&text).expect("a valid file");
    let findings = check(&text);
    let errors = findings.iter().filter(|found| matches!(found.what, Problem::Error(_)));
    assert_eq!(errors.count(), 0);
    let again = serde_json::to_string(&params).expect("plain fields");
    assert_eq!(GlobalParams::parse(&again).as_ref(), Ok(&params));
    params
}

/// Version, activation, cap, fee, largest stake.
type Row = (u64, u64, Cap, u64, u64);

fn rows(params: &GlobalParams) -> Vec<Row> {
    let row = |v: &trestle_staking::VersionParams| {
        let (fee, max) = (v.unbonding_fee.to_sat(), v.max_staking_amount.to_sat());
        (v.version, v.activation_height, v.cap, fee, max)
    };
    params.versions().iter().map(row).collect()
}

fn btc(whole: u64) -> Cap {
    Cap::Value(bitcoin::Amount::from_int_btc(whole))
}

#[test]
fn mainnet_and_demo_files__should_say_what_is_known() {
    let Some(vectors) = Vectors::find() else { return };
    let mainnet = file(&vectors, "global-params.bbn-1-mainnet.json");
    assert_eq!(
        rows(&mainnet),
        [
            (0, 857_910, btc(1000), 64_000, 5_000_000),
            (1, 864_790, Cap::Height(864_799), 32_000, 50_000_000_000),
            (2, 874_088, Cap::Height(875_087), 32_000, 500_000_000_000),
        ]
    );
    let first = &mainnet.versions()[0];
    assert_eq!((first.covenant.keys().len(), first.covenant.quorum()), (9, 6));
    assert_eq!((first.tag.0, first.confirmation_depth), (*b"bbn1", 10));
    let demo = file(&vectors, "global-params.demo-regtest.json");
    assert_eq!(
        rows(&demo),
        [(0, 115, btc(10), 500, 1_000_000_000), (1, 130, btc(20), 500, 2_000_000_000)]
    );
}

#[test]
fn signet_file__should_say_what_is_known() {
    let Some(vectors) = Vectors::find() else { return };
    let signet = file(&vectors, "global-params.bbn-test-4-signet.json");
    let starts: Vec<u64> = signet.versions().iter().map(|v| v.activation_height).collect();
    assert_eq!(starts, [197_535, 198_665, 200_665, 215_968, 220_637]);
    let caps: Vec<Cap> = signet.versions().iter().map(|v| v.cap).collect();
    let heights = [201_385, 220_000, 223_661].map(Cap::Height);
    assert_eq!(caps, [vec![btc(5), btc(50)], heights.to_vec()].concat());
    let keys = |version: usize| signet.versions()[version].covenant.keys().to_vec();
    let rotated =
        |from: usize, to: usize| keys(to).iter().filter(|key| !keys(from).contains(key)).count();
    assert_eq!([rotated(0, 1), rotated(1, 2), rotated(2, 3), rotated(3, 4)], [1, 2, 0, 0]);
}
