//! When to send again.

use super::*;

fn many() -> Vec<Txid> {
    (0..100).map(txid).collect()
}

#[test]
fn resend__should_have_few_under_way_and_send_all_in_time() {
    let mut resend = Resend::default();
    for request in many() {
        resend.begin(request, 0);
    }
    let mut sent = Vec::new();
    loop {
        let due = resend.take_due(0);
        assert!(due.len() <= Resend::MOST);
        if due.is_empty() {
            break;
        }
        for request in &due {
            resend.answered(*request, &Outlook::Mempool, 0);
        }
        sent.extend(due);
    }
    assert_eq!(sent, many());
    assert_eq!(resend.next_wake(), Some(600_000));
}

#[test]
fn wait__should_depend_on_what_bitcoind_said() {
    let next = |tell: &dyn Fn(&mut Resend)| {
        let mut resend = Resend::default();
        resend.begin(txid(1), 0);
        assert_eq!(resend.take_due(0), [txid(1)]);
        tell(&mut resend);
        resend.next_wake()
    };
    let rates = Rates { ours: 1, minimum: None };

    assert_eq!(next(&|resend| resend.failed(txid(1), 0)), Some(1_000));
    assert_eq!(next(&|r| r.answered(txid(1), &Outlook::Stuck(rates), 0)), Some(60_000));
    assert_eq!(next(&|r| r.answered(txid(1), &Outlook::Mempool, 0)), Some(600_000));
    assert_eq!(next(&|resend| resend.end(txid(1))), None);
}

#[test]
fn failures__should_be_waited_for_ever_longer_up_to_a_minute() {
    let mut resend = Resend::default();
    resend.begin(txid(1), 0);
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..9 {
        assert_eq!(resend.take_due(now), [txid(1)]);
        resend.failed(txid(1), now);
        let next = resend.next_wake().expect("tried again");
        waits.push((next - now) / 1_000);
        now = next;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
}

#[test]
fn ended_while_under_way__should_give_its_place_back() {
    let mut resend = Resend::default();
    for request in many() {
        resend.begin(request, 0);
    }
    let due = resend.take_due(0);
    for request in &due {
        resend.end(*request);
        // The answer comes all the same.
        resend.answered(*request, &Outlook::Mempool, 0);
    }
    assert_eq!(resend.take_due(0).len(), Resend::MOST);
}
