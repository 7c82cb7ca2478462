//! The explaining check of a file.

use trestle_staking::params::{Problem, check};

use crate::params::{file, key_hex, version};

fn bad_file() -> String {
    format!(
        r#"{{
  "versions": [
    {{
      "version": 0,
      "activation_height": 0,
      "staking_cap": 50000,
      "tag": "0102",
      "covenant_pks": [
        "{}",
        "02ff"
      ],
      "covenant_quorum": 1,
      "unbonding_tme": 1000,
      "unbonding_fee": -1,
      "max_staking_amount": 30000,
      "min_staking_amount": 2000,
      "max_staking_time": 10,
      "min_staking_time": 100,
      "confirmation_depth": 1e1
    }},
    5
  ]
}}"#,
        key_hex(101)
    )
}

#[test]
fn check__should_find_every_problem_with_its_line() {
    let findings = check(&bad_file());
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let expected = [
        (3, "unbonding_time: value must be positive"),
        (5, "activation_height: value must be positive"),
        (7, "invalid tag length, expected 4, got 2"),
        (10, "invalid covenant public key 2"),
        (13, "field unbonding_tme, which nobody reads"),
        (14, "invalid unbonding_fee: expected a whole number that is not negative, got -1"),
        (17, "max-staking-time 10 must be larger than or equal to min-staking-time 100"),
        (19, "invalid confirmation_depth: expected a whole number, got 1e1"),
        (21, "a version must be an object with fields, got 5"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (text, (line, part)) in found.iter().zip(expected) {
        assert!(text.starts_with(&format!("line {line}: ")) && text.contains(part), "{text}");
    }
    assert!(findings.iter().all(|finding| !finding.advice.is_empty()));
}

#[test]
fn check__should_find_nothing_in_a_good_file() {
    assert_eq!(check(&file(&[version(0, 100), version(1, 200)])), []);
}

#[test]
fn check__should_note_what_is_odd_but_valid() {
    let mut second = version(4, 200);
    second["cap_height"] = serde_json::json!(150);
    second["staking_cap"] = serde_json::json!(0);
    second["tag"] = serde_json::json!("01020305");
    let findings = check(&file(&[version(3, 100), second]));
    let notes: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.iter().all(|found| matches!(found.what, Problem::Note(_))), "{notes:#?}");
    let parts = ["first version is not number 0", "cap_height is below", "another tag"];
    assert_eq!(notes.len(), parts.len(), "{notes:#?}");
    for (note, part) in notes.iter().zip(parts) {
        assert!(note.contains(part), "{note}");
    }
}

#[test]
fn check__should_find_a_key_that_stands_twice_beside_every_other_fault() {
    // given
    let key = key_hex(101);
    let other_parity = format!("{}{}", if key.starts_with("02") { "03" } else { "02" }, &key[2..]);
    for quorum in [0, 9] {
        let mut wrong = version(0, 100);
        wrong["covenant_quorum"] = serde_json::json!(quorum);
        wrong["covenant_pks"] = serde_json::json!([key, "02ff", other_parity, key]);
        // when
        let found: Vec<String> = check(&file(&[wrong])).iter().map(ToString::to_string).collect();
        // then
        let count = |part: &str| found.iter().filter(|text| text.contains(part)).count();
        assert_eq!(count("stands there more than once"), 2, "{found:#?}");
        assert_eq!(count("invalid covenant public key 2"), 1, "{found:#?}");
        assert_eq!(count("covenant quorum"), 1, "{found:#?}");
        assert_eq!(found.len(), 4, "{found:#?}");
    }
}

#[test]
fn check__should_compare_versions_with_those_before_them_right_or_wrong() {
    // given: the second is wrong by itself, and begins too early; the third begins too early too
    let mut second = version(1, 100);
    second["tag"] = serde_json::json!("01");
    // when
    let findings = check(&file(&[version(0, 200), second, version(2, 100), version(3, 300)]));
    // then
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let count = |part: &str| found.iter().filter(|text| text.contains(part)).count();
    assert_eq!(count("activation height cannot be overlapping"), 2, "{found:#?}");
    assert_eq!(count("invalid tag length"), 1, "{found:#?}");
    assert_eq!(found.len(), 3, "no gap is found where there is none: {found:#?}");
}
