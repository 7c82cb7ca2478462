//! Files of global parameters: each rule of the format, and what may be appended.

use rstest::rstest;
use serde_json::{Value, json};
use trestle_staking::{
    Cap, GlobalParams,
    params::{AppendError, Field, ParamsError, appends, appends_after},
};

use crate::fixture::keypair;

pub(crate) fn key_hex(number: u8) -> String {
    keypair(number).public_key().to_string()
}

pub(crate) fn version(number: u64, activation: u64) -> Value {
    json!({
        "version": number,
        "activation_height": activation,
        "staking_cap": 50_000,
        "tag": "01020304",
        "covenant_pks": [key_hex(101), key_hex(102), key_hex(103), key_hex(104), key_hex(105)],
        "covenant_quorum": 3,
        "unbonding_time": 1000,
        "unbonding_fee": 1000,
        "max_staking_amount": 30_000,
        "min_staking_amount": 2_000,
        "max_staking_time": 10_000,
        "min_staking_time": 100,
        "confirmation_depth": 10,
    })
}

pub(crate) fn file(versions: &[Value]) -> String {
    json!({ "versions": versions }).to_string()
}

/// One version with some fields of another value; null removes one.
fn with(changes: Value) -> Value {
    let mut version = version(0, 100);
    let fields = version.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        fields.insert(name.clone(), value.clone());
    }
    version
}

fn parse(changes: Value) -> Result<GlobalParams, String> {
    GlobalParams::parse(&file(&[with(changes)])).map_err(|error| error.to_string())
}

fn must_parse(versions: &[Value]) -> GlobalParams {
    GlobalParams::parse(&file(versions)).expect("keeps all rules")
}

#[rstest]
#[case(json!({"activation_height": 0}), "invalid activation_height: value must be positive")]
#[case(json!({"activation_height": null}), "invalid activation_height: value must be positive")]
#[case(json!({"staking_cap": 0}),
    "invalid cap: either of staking cap and cap height must be set")]
#[case(json!({"staking_cap": null}),
    "invalid cap: either of staking cap and cap height must be set")]
#[case(json!({"cap_height": 7}),
    "invalid cap: only either of staking cap and cap height can be set")]
#[case(json!({"staking_cap": 29_999}),
    "invalid cap: staking cap 29999 must be at least max-staking-amount 30000")]
#[case(json!({"tag": "010203"}), "invalid tag length, expected 4, got 3")]
#[case(json!({"tag": null}), "invalid tag length, expected 4, got 0")]
#[case(json!({"tag": "0102030g"}), "invalid tag: expected hex text, got 0102030g")]
#[case(json!({"tag": 1020304}), "invalid tag: expected hex text, got 1020304")]
#[case(json!({"covenant_pks": []}), "empty covenant public keys")]
#[case(json!({"covenant_pks": null}), "empty covenant public keys")]
#[case(json!({"covenant_pks": "02"}),
    "invalid covenant_pks: expected a list of public keys in hex, got \"02\"")]
#[case(json!({"covenant_quorum": 6}),
    "covenant quorum 6 cannot be more than the amount of covenants 5")]
#[case(json!({"covenant_quorum": 0}), "covenant quorum must be at least 1, got 0")]
#[case(json!({"unbonding_time": 0}), "invalid unbonding_time: value must be positive")]
#[case(json!({"unbonding_time": 65_536}),
    "invalid unbonding_time: expected at most 65535, got 65536")]
#[case(json!({"unbonding_fee": 0}), "invalid unbonding_fee: value must be positive")]
#[case(json!({"unbonding_fee": 9_223_372_036_854_775_808_u64}),
    "invalid unbonding_fee: expected at most 9223372036854775807, got 9223372036854775808")]
#[case(json!({"unbonding_fee": 9_223_372_036_854_775_807_u64}),
    "min_staking_amount 2000 should not be less than unbonding fee 9223372036854775807 plus 1000")]
#[case(json!({"max_staking_amount": 300, "min_staking_amount": 400, "unbonding_fee": 1}),
    "max-staking-amount 300 must be larger than or equal to min-staking-amount 400")]
#[case(json!({"min_staking_amount": 1999}),
    "min_staking_amount 1999 should not be less than unbonding fee 1000 plus 1000")]
#[case(json!({"max_staking_time": 99}),
    "max-staking-time 99 must be larger than or equal to min-staking-time 100")]
#[case(json!({"min_staking_time": 0}), "invalid min_staking_time: value must be positive")]
#[case(json!({"confirmation_depth": 0}),
    "invalid confirmation_depth: confirmation depth value should be at least 2, got 0")]
#[case(json!({"confirmation_depth": 1}),
    "invalid confirmation_depth: confirmation depth value should be at least 2, got 1")]
#[case(json!({"unbonding_fee": -5}),
    "invalid unbonding_fee: expected a whole number that is not negative, got -5")]
#[case(json!({"unbonding_fee": 1.5}), "invalid unbonding_fee: expected a whole number, got 1.5")]
#[case(json!({"unbonding_fee": "1000"}),
    "invalid unbonding_fee: expected a whole number, got \"1000\"")]
#[case(json!({"unbonding_fee": [1]}), "invalid unbonding_fee: expected a whole number, got [1]")]
#[case(json!({"version": -1}),
    "invalid version: expected a whole number that is not negative, got -1")]
fn version__should_be_refused_in_known_words(#[case] changes: Value, #[case] text: &str) {
    assert_eq!(parse(changes), Err(format!("invalid params with version 0: {text}")));
}

#[test]
fn huge_number__should_be_refused() {
    let huge = "9".repeat(60);
    let text = file(&[version(0, 100)]).replace("50000", &huge);
    let error = GlobalParams::parse(&text).expect_err("beyond 64 bits").to_string();
    let shown = "9".repeat(40);
    let expected = format!("expected at most 9223372036854775807, got {shown}…");
    assert_eq!(error, format!("invalid params with version 0: invalid staking_cap: {expected}"));
}

#[rstest]
#[case::not_hex(json!("zz"))]
#[case::x_only(json!("d45c70d28f169e1f0c7f4a78e2bc73497afe585b70aa897955989068f3350aaa"))]
#[case::off_the_curve(json!("020000000000000000000000000000000000000000000000000000000000000005"))]
#[case::number(json!(3))]
fn covenant_key__should_be_a_point(#[case] bad: Value) {
    let error = parse(json!({"covenant_pks": [key_hex(101), bad], "covenant_quorum": 1}));
    let error = error.expect_err("one key is no key");
    let expected =
        "invalid params with version 0: invalid covenant public key 2: expected 33 bytes";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn covenant_key__should_be_read_uncompressed_too() {
    let long = hex::encode(keypair(101).public_key().serialize_uncompressed());
    let params = parse(json!({"covenant_pks": [long], "covenant_quorum": 1}));
    let params = params.expect("65 bytes of a point");
    assert_eq!(params.versions()[0].covenant_pks[0].inner, keypair(101).public_key());
}

#[test]
fn covenant_key__should_not_stand_twice_whatever_its_parity() {
    let mut other = key_hex(101);
    let parity = if other.starts_with("02") { "03" } else { "02" };
    other.replace_range(..2, parity);
    let error = parse(json!({"covenant_pks": [key_hex(101), other], "covenant_quorum": 1}));
    let error = error.expect_err("the same key twice");
    assert!(error.contains("stands there more than once"), "{error}");
}

#[test]
fn equal_cap_and_largest_stake__should_be_accepted() {
    let params = parse(json!({"staking_cap": 30_000})).expect("keeps all rules");
    assert_eq!(params.versions()[0].cap, Cap::Value(bitcoin::Amount::from_sat(30_000)));
}

#[test]
fn unknown_fields__should_be_ignored() {
    assert!(parse(json!({"comment": {"a": [1, 2]}, "Version": "x"})).is_ok());
}

#[test]
fn field_given_twice__should_be_refused() {
    let text = file(&[version(0, 100)]).replace("\"tag\"", "\"tag\":\"01020305\",\"tag\"");
    let error = GlobalParams::parse(&text).expect_err("two tags").to_string();
    assert_eq!(error, "invalid params with version 0: tag is given more than once");
}

#[rstest]
#[case("{}")]
#[case("{\"versions\": []}")]
#[case("{\"versions\": null}")]
fn file_without_versions__should_be_refused(#[case] text: &str) {
    assert_eq!(GlobalParams::parse(text), Err(ParamsError::NoVersions));
    assert_eq!(ParamsError::NoVersions.to_string(), "global params must have at least one version");
}

#[rstest]
#[case("")]
#[case("[]")]
#[case("{\"versions\": [")]
#[case("{\"versions\": 5}")]
#[case("{\"versions\": []} x")]
fn no_json__should_be_refused(#[case] text: &str) {
    assert!(matches!(GlobalParams::parse(text), Err(ParamsError::Json(_))));
}

#[test]
fn version_that_is_no_object__should_be_refused() {
    let error = GlobalParams::parse("{\"versions\": [7]}").expect_err("a number").to_string();
    let expected = "a version must be an object with fields, got 7";
    assert_eq!(error, format!("invalid params with version 0: {expected}"));
}

#[rstest]
#[case(
    version(2, 200),
    "invalid params with version 2. versions should be monotonically \
    increasing by 1"
)]
#[case(
    version(0, 200),
    "invalid params with version 0. versions should be monotonically \
    increasing by 1"
)]
#[case(
    version(1, 100),
    "invalid params with version 1. activation height cannot be overlapping \
    between earlier and later versions"
)]
fn second_version__should_follow_the_first(#[case] second: Value, #[case] text: &str) {
    let error = GlobalParams::parse(&file(&[version(0, 100), second]));
    assert_eq!(error.expect_err("does not follow").to_string(), text);
}

#[test]
fn value_cap__should_not_fall_even_over_a_height_cap_between() {
    let mut middle = version(1, 200);
    middle["staking_cap"] = json!(0);
    middle["cap_height"] = json!(250);
    let mut last = version(2, 300);
    last["staking_cap"] = json!(49_999);
    let error = GlobalParams::parse(&file(&[version(0, 100), middle, last]));
    assert_eq!(
        error.expect_err("a lower cap").to_string(),
        "invalid params with version 2. staking cap cannot be decreased in later versions, last \
         non-zero staking cap: 50000, got: 49999"
    );
}

#[test]
fn first_version__should_have_any_number() {
    let params = must_parse(&[version(7, 100), version(8, 200)]);
    assert_eq!(params.version(8).map(|version| version.activation_height), Some(200));
}

#[rstest]
#[case(99, None)]
#[case(100, Some(0))]
#[case(199, Some(0))]
#[case(200, Some(1))]
#[case(u32::MAX, Some(1))]
fn params_at__should_be_the_last_active(#[case] height: u32, #[case] version_number: Option<u64>) {
    let params = must_parse(&[version(0, 100), version(1, 200)]);
    assert_eq!(params.params_at(height).map(|version| version.version), version_number);
}

#[test]
fn json_of_parameters__should_have_both_caps_and_read_back() {
    let mut second = version(1, 200);
    second["staking_cap"] = json!(0);
    second["cap_height"] = json!(250);
    let params = must_parse(&[version(0, 100), second.clone()]);
    let value = serde_json::to_value(&params).expect("plain fields");
    assert_eq!(value["versions"][0]["cap_height"], json!(0));
    assert_eq!(value["versions"][1], second);
    assert_eq!(GlobalParams::parse(&value.to_string()), Ok(params));
}

#[test]
fn appended_version__should_be_accepted() {
    let old = must_parse(&[version(0, 100)]);
    let new = must_parse(&[version(0, 100), version(1, 200)]);
    assert_eq!(appends(&old, &new), Ok(1));
    assert_eq!(appends(&old, &old), Ok(0));
    assert_eq!(appends(&new, &old), Err(AppendError::Removed(1)));
}

#[rstest]
#[case(Field::ActivationHeight, json!(101))]
#[case(Field::StakingCap, json!(49_999))]
#[case(Field::Tag, json!("01020305"))]
#[case(Field::CovenantPks, json!([key_hex(101), key_hex(102), key_hex(103)]))]
#[case(Field::CovenantQuorum, json!(4))]
#[case(Field::UnbondingTime, json!(1001))]
#[case(Field::UnbondingFee, json!(999))]
#[case(Field::MaxStakingAmount, json!(30_001))]
#[case(Field::MinStakingAmount, json!(2_001))]
#[case(Field::MaxStakingTime, json!(10_001))]
#[case(Field::MinStakingTime, json!(101))]
#[case(Field::ConfirmationDepth, json!(11))]
fn changed_past__should_be_refused_by_name(#[case] field: Field, #[case] value: Value) {
    let old = must_parse(&[version(0, 100)]);
    let mut changed = version(0, 100);
    changed[field.name()] = value;
    let new = must_parse(&[changed, version(1, 200)]);
    let error = AppendError::Changed { version: 0, field };
    assert_eq!(appends(&old, &new), Err(error));
    assert!(error.to_string().starts_with(&format!("version 0 has another {}", field.name())));
}

#[rstest]
#[case(199, true)]
#[case(200, false)]
fn appended_version__should_not_reach_into_the_past(#[case] processed: u32, #[case] ok: bool) {
    let old = must_parse(&[version(0, 100)]);
    let new = must_parse(&[version(0, 100), version(1, 200)]);
    assert_eq!(appends_after(&old, &new, processed).is_ok(), ok);
}
