//! What bitcoind's words mean.

use super::*;

#[test]
fn rejection__should_be_understood_by_its_words() {
    let below = |required| Sending::BelowMinimum { required };
    for (text, expected) in [
        ("min relay fee not met, 500 < 1234", below(Some(1234))),
        ("mempool min fee not met, 32000 < 64000", below(Some(64000))),
        ("mempool min fee not met", below(None)),
        ("mempool full", below(None)),
        ("bad-txns-inputs-missingorspent", Sending::InputMissing),
        ("txn-mempool-conflict", Sending::Conflict),
        ("insufficient fee, rejecting replacement", Sending::Conflict),
        ("non-final", Sending::Rejected("non-final".into())),
    ] {
        assert_eq!(Sending::rejected(text), expected, "{text}");
    }
}

#[test]
fn unknown_rejection__should_be_kept_short_and_plain() {
    let text = format!("a\nb{}", "x".repeat(1_000));

    let Sending::Rejected(kept) = Sending::rejected(&text) else { panic!("{text}") };

    assert_eq!(kept.len(), 199);
    assert!(kept.starts_with("abx"));
}
