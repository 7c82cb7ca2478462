#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod chain;
mod ending;
mod properties;
mod story;
mod table;
mod versions;

use std::collections::BTreeSet;

use bitcoin::{BlockHash, FeeRate, OutPoint, Transaction, TxOut, Txid, hashes::Hash};
use trestle_machine::{Machine, Refusal, Step};
use trestle_wire::Hash32;

use super::*;
use crate::{
    plan::{BumpRequest, Coin, Plan, bump, plan},
    testing::{coin, committee, limits, must_sign, outpoint, recipient, vb},
};

const TIP: u32 = 100;
const TERMS: Terms = Terms { bump_after: 3, max_versions: 3, settle_depth: 6 };

fn coins() -> Vec<Coin> {
    vec![coin(1, 700_000), coin(2, 300_000)]
}

fn recipients() -> Vec<TxOut> {
    vec![recipient(1, 800_000)]
}

fn first() -> Plan {
    plan(&coins(), &recipients(), &committee().script(), vb(2), TIP, &limits()).expect("a plan")
}

fn bumped(payment: &Payment, rate: FeeRate) -> Plan {
    let bound = payment.bound().expect("planned");
    let request = BumpRequest {
        previous: &bound.plans(),
        gone: &bound.gone(),
        extra: &[coin(3, 400_000)],
        change_script: &committee().script(),
        rate,
        height: TIP,
        limits: &limits(),
    };
    bump(&request).expect("a version")
}

fn foreign() -> Txid {
    Txid::from_byte_array([0xEE; 32])
}

fn block(number: u8) -> BlockHash {
    BlockHash::from_byte_array([number; 32])
}

fn accepted() -> Payment {
    let (payment, effects) = Payment::accept(Hash32([1; 32]), recipients(), TERMS, TIP);
    assert_eq!(effects, [Effect::Plan]);
    payment
}

fn must_apply(payment: &Payment, event: Event) -> (Payment, Vec<Effect>) {
    match payment.apply(&event) {
        Ok(Step::Applied { state, effects }) => (state, effects),
        Ok(Step::Duplicate) => panic!("{event:?} is a duplicate in {:?}", payment.state()),
        Err(refusal) => panic!("{event:?} is refused: {refusal:?}"),
    }
}

fn after(payment: &Payment, events: impl IntoIterator<Item = Event>) -> Payment {
    events.into_iter().fold(payment.clone(), |payment, event| must_apply(&payment, event).0)
}

fn signing() -> Payment {
    after(&accepted(), [Event::Planned(first())])
}

fn signed(plan: &Plan) -> Event {
    Event::VersionSigned { transaction: must_sign(plan) }
}

fn broadcast() -> Payment {
    after(&signing(), [signed(&first())])
}

/// Two versions: the first signed, the second with the members.
fn bumping() -> (Payment, Plan) {
    let asked = after(&broadcast(), [Event::BumpRequested { rate: vb(9) }]);
    let second = bumped(&asked, vb(9));
    (after(&asked, [Event::Planned(second.clone())]), second)
}

fn in_block(plan: &Plan, height: u32) -> Event {
    Event::VersionConfirmed { txid: plan.txid(), height, block: block(1) }
}

fn confirmed() -> Payment {
    after(&broadcast(), [in_block(&first(), TIP + 1)])
}

fn usurped() -> Payment {
    after(
        &broadcast(),
        [Event::AnchorSpentByOther {
            txid: foreign(),
            height: TIP + 1,
            pays: false,
            elsewhere: None,
        }],
    )
}

fn settled() -> Payment {
    after(&confirmed(), [Event::TipAdvanced { height: TIP + 6 }])
}

fn failed() -> Payment {
    after(&usurped(), [Event::TipAdvanced { height: TIP + 6 }])
}

fn broadcasts(effects: &[Effect]) -> Vec<Txid> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast(transaction) => Some(transaction.compute_txid()),
            Effect::Plan
            | Effect::Bump { .. }
            | Effect::Sign { .. }
            | Effect::QuoteRate
            | Effect::RetryLater
            | Effect::Release
            | Effect::Notify(_) => None,
        })
        .collect()
}

/// The first version, made of another coin.
fn elsewhere_plan() -> Plan {
    let coins = [coin(5, 900_000)];
    plan(&coins, &recipients(), &committee().script(), vb(2), TIP, &limits()).expect("a plan")
}

fn found_used() -> Event {
    let by = Spender { txid: foreign().into(), height: TIP, pays: true };
    Event::FoundUsed { anchor: outpoint(5), by }
}
