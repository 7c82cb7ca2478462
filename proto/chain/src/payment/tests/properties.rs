use proptest::prelude::*;

use super::*;

/// A step of a random run, made into an event that depends on the state it meets.
#[derive(Clone, Copy, Debug)]
enum Move {
    Plan(u32),
    PlanElsewhere,
    PlanFails,
    Sign(usize),
    SignFails,
    Retry,
    Bump(u32),
    Grow(u32),
    Confirm(usize),
    Lose(u32),
    Usurp,
    LoseInput(u32),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        4 => (0_u32..3_000).prop_map(Move::Plan),
        1 => Just(Move::PlanElsewhere),
        1 => Just(Move::PlanFails),
        4 => (0_usize..6).prop_map(Move::Sign),
        1 => Just(Move::SignFails),
        1 => Just(Move::Retry),
        3 => (1_u32..40).prop_map(Move::Bump),
        4 => (1_u32..4).prop_map(Move::Grow),
        2 => (0_usize..6).prop_map(Move::Confirm),
        2 => (0_u32..5).prop_map(Move::Lose),
        1 => Just(Move::Usurp),
        1 => (2_u32..4).prop_map(Move::LoseInput),
    ]
}

fn version(payment: &Payment, number: usize) -> Plan {
    let Some(bound) = payment.bound() else { return first() };
    bound.versions[number % bound.versions.len()].plan.clone()
}

/// What the planner would answer, or a first plan where it has nothing to replace.
fn planned(payment: &Payment, above: u32) -> Event {
    let Some(bound) = payment.bound() else { return Event::Planned(first()) };
    let rate = crate::plan::highest_rate(&bound.plans()).to_sat_per_kwu() + 1 + u64::from(above);
    let request = BumpRequest {
        previous: &bound.plans(),
        gone: &bound.gone(),
        extra: &[coin(3, 400_000), coin(4, 300_000)],
        change_script: &committee().script(),
        rate: FeeRate::from_sat_per_kwu(rate),
        height: TIP,
        limits: &limits(),
    };
    match bump(&request) {
        Ok(plan) => Event::Planned(plan),
        Err(error) => Event::PlanFailed { reason: error.to_string() },
    }
}

fn event(payment: &Payment, step: Move, tip: &mut u32) -> Event {
    match step {
        Move::Plan(above) => planned(payment, above),
        Move::PlanElsewhere => {
            let coins = [coin(5, 900_000)];
            let plan = plan(&coins, &recipients(), &committee().script(), vb(2), TIP, &limits());
            Event::Planned(plan.expect("a plan"))
        }
        Move::PlanFails => Event::PlanFailed { reason: "no".into() },
        Move::Sign(number) => signed(&version(payment, number)),
        Move::SignFails => Event::SigningFailed { reason: "no".into() },
        Move::Retry => Event::RetryDue,
        Move::Bump(rate) => Event::BumpRequested { rate: vb(rate) },
        Move::Grow(by) => {
            *tip += by;
            Event::TipAdvanced { height: *tip }
        }
        Move::Confirm(number) => in_block(&version(payment, number), *tip),
        Move::Lose(depth) => {
            let height = tip.saturating_sub(depth);
            *tip = height - 1;
            Event::BlockDisconnected { height }
        }
        Move::Usurp => Event::AnchorSpentByOther {
            txid: foreign(),
            height: *tip,
            pays: false,
            elsewhere: None,
        },
        Move::LoseInput(number) => {
            Event::InputSpentByOther { outpoint: outpoint(number), height: *tip }
        }
    }
}

/// Everything that members were ever asked to sign, and every transaction ever broadcast.
fn shown(effects: &[Effect]) -> impl Iterator<Item = Transaction> + '_ {
    effects.iter().filter_map(|effect| match effect {
        Effect::Sign { proposal, .. } => {
            Some(bitcoin::consensus::deserialize(&proposal.transaction).expect("a transaction"))
        }
        Effect::Broadcast(transaction) => Some(transaction.0.clone()),
        Effect::Plan
        | Effect::Bump { .. }
        | Effect::QuoteRate
        | Effect::RetryLater
        | Effect::Release
        | Effect::Notify(_) => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn payment__should_never_have_two_versions_that_can_both_confirm(
        steps in prop::collection::vec(moves(), 1..60),
    ) {
        let mut payment = accepted();
        let (mut tip, mut events) = (TIP, Vec::new());
        let mut trace = Vec::new();
        let mut anchor: Option<OutPoint> = None;
        let mut known: BTreeSet<Txid> = BTreeSet::new();
        for step in steps {
            let event = event(&payment, step, &mut tip);
            let was_final = payment.is_final();
            let outcome = payment.apply(&event);
            events.push(event);
            if was_final {
                prop_assert_eq!(&outcome, &Err(Refusal::Rejected(Reject::Final)));
            }
            let Ok(Step::Applied { state, effects }) = outcome else { continue };
            // Everything shown spends the one anchor and pays the same recipients.
            for transaction in shown(&effects) {
                let first = transaction.input[0].previous_output;
                prop_assert_eq!(*anchor.get_or_insert(first), first);
                prop_assert_eq!(transaction.output[..1].to_vec(), recipients());
                known.insert(transaction.compute_txid());
            }
            // Nothing shown is ever forgotten, and it is in the state no later than it is shown.
            if let Some(bound) = state.bound() {
                prop_assert_eq!(Some(*bound.anchor), anchor);
                for txid in &known {
                    prop_assert!(bound.version(txid).is_some());
                }
            }
            // Signed versions stay signed.
            let count = |p: &Payment| p.bound().map_or(0, |b| {
                b.versions.iter().filter(|v| v.signed.is_some()).count()
            });
            prop_assert!(count(&state) >= count(&payment));
            // What is owed is never more than what is allowed to be owed in that state.
            if state.is_final() {
                prop_assert_eq!(state.owed(), vec![]);
            }
            payment = state;
            trace.push((payment.clone(), effects));
        }
        // The same events give the same states and effects.
        let mut again = accepted();
        let mut replay = Vec::new();
        for event in &events {
            if let Ok(Step::Applied { state, effects }) = again.apply(event) {
                again = state;
                replay.push((again.clone(), effects));
            }
        }
        let bytes = |trace: &Vec<(Payment, Vec<Effect>)>| {
            bincode::encode_to_vec(trace, bincode::config::standard()).expect("encodes")
        };
        prop_assert_eq!(bytes(&trace), bytes(&replay));
    }
}
