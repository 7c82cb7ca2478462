//! Every event in every state: what it is, told in one word.

use rstest::rstest;

use super::*;

#[derive(Debug, PartialEq)]
enum Is {
    To(&'static str),
    Duplicate,
    Refused,
    Fault,
}
use Is::{Duplicate, Fault, Refused, To};

fn name(payment: &Payment) -> &'static str {
    match payment.state() {
        State::Waiting => "waiting",
        State::Signing { .. } => "signing",
        State::Broadcast { .. } => "broadcast",
        State::Confirmed { .. } => "confirmed",
        State::Settled { .. } => "settled",
        State::Failed { .. } => "failed",
        State::Ended { .. } => "ended",
    }
}

fn of(payment: &Payment, event: &Event) -> Is {
    match payment.apply(event) {
        Ok(Step::Applied { state, .. }) => To(name(&state)),
        Ok(Step::Duplicate) => Duplicate,
        Err(Refusal::Rejected(_)) => Refused,
        Err(Refusal::Invariant(_)) => Fault,
    }
}

fn events() -> Vec<(&'static str, Event)> {
    let other_payee =
        plan(&coins(), &[recipient(2, 800_000)], &committee().script(), vb(2), TIP, &limits());
    let reason = || "tried".to_owned();
    vec![
        ("planned", Event::Planned(first())),
        ("planned on other coins", Event::Planned(elsewhere_plan())),
        ("planned for others", Event::Planned(other_payee.expect("a plan"))),
        ("plan failed", Event::PlanFailed { reason: reason() }),
        ("version signed", signed(&first())),
        ("version not signed", Event::VersionSigned { transaction: first().transaction().clone() }),
        ("signing failed", Event::SigningFailed { reason: reason() }),
        ("broadcast rejected", Event::BroadcastRejected { txid: first().txid(), reason: reason() }),
        ("retry due", Event::RetryDue),
        ("bump requested", Event::BumpRequested { rate: vb(9) }),
        ("low bump requested", Event::BumpRequested { rate: vb(2) }),
        ("tip advanced", Event::TipAdvanced { height: TIP + 2 }),
        ("old tip", Event::TipAdvanced { height: TIP }),
        ("version confirmed", in_block(&first(), TIP + 1)),
        (
            "foreign confirmed",
            Event::VersionConfirmed { txid: foreign(), height: TIP + 1, block: block(1) },
        ),
        ("block lost", Event::BlockDisconnected { height: TIP }),
        ("block above lost", Event::BlockDisconnected { height: TIP + 9 }),
        (
            "anchor spent",
            Event::AnchorSpentByOther {
                txid: foreign(),
                height: TIP + 1,
                pays: false,
                elsewhere: None,
            },
        ),
        (
            "anchor spent by version",
            Event::AnchorSpentByOther {
                txid: first().txid(),
                height: TIP + 1,
                pays: false,
                elsewhere: None,
            },
        ),
        ("input spent", Event::InputSpentByOther { outpoint: outpoint(2), height: TIP + 1 }),
        ("stranger spent", Event::InputSpentByOther { outpoint: outpoint(9), height: TIP + 1 }),
        ("rebound", Event::Rebound { plan: elsewhere_plan(), adopted: true }),
        ("rebound to its own anchor", Event::Rebound { plan: first(), adopted: true }),
        ("input refused", Event::InputRefused),
        ("found used", found_used()),
        ("cancelled", Event::Cancelled { elsewhere: None, stranded: false }),
    ]
}

#[rstest]
#[case::waiting(accepted(), vec![
    To("signing"), To("signing"), Fault, To("waiting"), Refused, Refused, Refused, Refused,
    To("waiting"), Refused, Refused, To("waiting"), Duplicate, Refused, Refused, To("waiting"),
    Duplicate, Refused, Refused, Refused, Refused,
    Refused, Refused, Refused, To("ended"), To("ended"),
])]
#[case::signing(signing(), vec![
    Duplicate, Refused, Fault, Refused, To("broadcast"), Refused, To("signing"), Refused,
    To("signing"), To("signing"), Refused, To("signing"), Duplicate, To("confirmed"), Refused,
    To("signing"), Duplicate, To("signing"), Refused, To("signing"), Refused,
    To("signing"), Refused, To("signing"), To("ended"), To("ended"),
])]
#[case::broadcast(broadcast(), vec![
    Duplicate, Refused, Fault, Refused, Duplicate, Duplicate, Refused, To("broadcast"),
    To("broadcast"), To("broadcast"), Refused, To("broadcast"), Duplicate, To("confirmed"), Refused,
    To("broadcast"), Duplicate, To("broadcast"), Refused, To("broadcast"), Refused,
    Refused, Refused, Refused, Refused, Refused,
])]
#[case::planning_a_bump(after(&broadcast(), [Event::BumpRequested { rate: vb(5) }]), vec![
    Duplicate, Fault, Fault, To("broadcast"), Duplicate, Duplicate, Refused, To("broadcast"),
    To("broadcast"), Refused, Refused, To("broadcast"), Duplicate, To("confirmed"), Refused,
    To("broadcast"), Duplicate, To("broadcast"), Refused, To("broadcast"), Refused,
    Refused, Refused, Refused, Refused, Refused,
])]
#[case::usurped(usurped(), vec![
    Duplicate, Refused, Fault, Refused, Duplicate, Duplicate, Refused, To("broadcast"),
    Duplicate, Refused, Refused, To("broadcast"), Duplicate, Refused, Refused,
    To("broadcast"), Duplicate, Duplicate, Refused, To("broadcast"), Refused,
    Refused, Refused, Refused, Refused, Refused,
])]
#[case::confirmed(confirmed(), vec![
    Duplicate, Refused, Fault, Refused, Duplicate, Duplicate, Refused, Refused,
    Duplicate, Refused, Refused, To("confirmed"), Duplicate, Duplicate, Refused, To("broadcast"),
    Duplicate, Refused, Refused, To("confirmed"), Refused,
    Refused, Refused, Refused, Refused, Refused,
])]
#[case::settled(settled(), (0..26).map(|_| Refused).collect())]
#[case::failed(failed(), (0..26).map(|_| Refused).collect())]
#[case::ended(after(&signing(), [Event::Cancelled { elsewhere: None, stranded: false }]), (0..26).map(|_| Refused).collect())]
fn event__should_lead_where_the_table_says(#[case] from: Payment, #[case] expected: Vec<Is>) {
    let events = events();
    assert_eq!(events.len(), expected.len());
    let found: Vec<_> = events.iter().map(|(name, event)| (*name, of(&from, event))).collect();
    let names = events.iter().map(|(name, _)| *name);
    assert_eq!(found, names.zip(expected).collect::<Vec<_>>());
}

#[rstest]
#[case(accepted())]
#[case(signing())]
#[case(broadcast())]
#[case(bumping().0)]
#[case(usurped())]
#[case(confirmed())]
#[case(settled())]
#[case(failed())]
#[case(after(&signing(), [found_used()]))]
fn state__should_survive_storage(#[case] payment: Payment) {
    let config = bincode::config::standard();
    let bytes = bincode::encode_to_vec(&payment, config).expect("encodes");
    let (back, read): (Payment, usize) =
        bincode::decode_from_slice(&bytes, config).expect("decodes");
    assert_eq!((back.owed(), read), (payment.owed(), bytes.len()));
    assert_eq!(back, payment);
}
