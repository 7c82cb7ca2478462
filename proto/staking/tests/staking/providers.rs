//! The registry of finality providers.

use rstest::rstest;
use serde_json::{Value, json};
use trestle_staking::providers::{EntryFault, Providers, ProvidersError};

use crate::fixture::key;

fn entry(number: u8) -> Value {
    json!({
        "description": {"moniker": format!("provider {number}"), "website": "https://example.org"},
        "commission": "0.050000000000000000",
        "eots_pk": key(number).to_string(),
    })
}

fn parse(entries: &[Value]) -> (Providers, Vec<String>) {
    let text = json!({ "finality_providers": entries }).to_string();
    let (providers, rejected) = Providers::parse(&text).expect("a registry");
    (providers, rejected.iter().map(ToString::to_string).collect())
}

#[test]
fn registry__should_find_entries_by_key() {
    let (providers, rejected) = parse(&[entry(1), entry(2)]);
    assert_eq!(rejected, Vec::<String>::new());
    let found = providers.get(&key(2)).expect("it is there");
    assert_eq!(found.description.moniker, "provider 2");
    assert_eq!(found.description.details, "");
    assert_eq!(providers.get(&key(3)), None);
}

#[test]
fn eots_pk__should_win_over_btc_pk() {
    let mut both = entry(1);
    both["btc_pk"] = json!(key(2).to_string());
    let mut only = entry(3);
    only["btc_pk"] = only["eots_pk"].take();
    only["eots_pk"] = json!("");
    let (providers, rejected) = parse(&[both, only]);
    assert_eq!(rejected, Vec::<String>::new());
    let keys: Vec<_> = providers.entries().iter().map(|provider| provider.key).collect();
    assert_eq!(keys, [key(1), key(3)]);
}

#[rstest]
#[case("eots_pk", json!("abcd"), "eots_pk must be the 64 hex digits of an x-only public key, got abcd")]
#[case("eots_pk", json!("ff".repeat(32)), "eots_pk must be the 64 hex digits")]
#[case("eots_pk", json!(""), "no key")]
#[case("commission", json!("5%"), "commission must be a decimal fraction from 0 to 1")]
#[case("commission", json!("1.01"), "commission must be a decimal fraction from 0 to 1")]
#[case("commission", json!(""), "commission must be a decimal fraction from 0 to 1")]
#[case("description", json!(7), "not an entry")]
fn bad_entry__should_be_named_and_left_out(
    #[case] field: &str,
    #[case] value: Value,
    #[case] text: &str,
) {
    let mut bad = entry(2);
    bad[field] = value;
    let (providers, rejected) = parse(&[entry(1), bad, entry(3)]);
    assert_eq!(providers.entries().len(), 2);
    assert_eq!(rejected.len(), 1, "{rejected:#?}");
    let name = if field == "description" { "without a name" } else { "provider 2" };
    assert!(rejected[0].starts_with(&format!("entry 2 ({name}): ")), "{}", rejected[0]);
    assert!(rejected[0].contains(text), "{}", rejected[0]);
}

#[test]
fn second_entry_of_a_key__should_be_left_out() {
    let text = json!({ "finality_providers": [entry(1), entry(1)] }).to_string();
    let (providers, rejected) = Providers::parse(&text).expect("a registry");
    assert_eq!(providers.entries().len(), 1);
    assert_eq!(rejected[0].fault, EntryFault::Duplicate(key(1)));
}

#[rstest]
#[case("")]
#[case("[]")]
#[case("{}")]
#[case("{\"finality_providers\": {}}")]
fn other_files__should_be_refused(#[case] text: &str) {
    assert!(matches!(Providers::parse(text), Err(ProvidersError::Json(_))));
}
