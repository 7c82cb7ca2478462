#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use bitcoin::{BlockHash, Txid, XOnlyPublicKey, hashes::Hash};
use rstest::rstest;

use super::*;
use crate::expiry::Output;

const TXID: &str = "7d90210b21aad480cd88fd8399aa6d47e6b3f2ecea2f9f9cfdd79598430e3003";
const KEY: &str = "50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0";

fn txid() -> Txid {
    TXID.parse().expect("64 hexadecimal digits")
}

fn key() -> XOnlyPublicKey {
    KEY.parse().expect("a point")
}

fn withdraw_tx() -> WithdrawTx {
    WithdrawTx {
        withdraw_tx_hash_hex: txid(),
        withdraw_tx_btc_height: 900_000,
        withdraw_tx_hex: "0200".into(),
    }
}

#[rstest]
#[case(
    Event::Active(ActiveStaking {
        staking_tx_hash_hex: txid(),
        staker_pk_hex: key(),
        finality_provider_pk_hex: key(),
        staking_value: 30_000_400_000,
        staking_start_height: 864_790,
        staking_start_timestamp: 1_728_378_000,
        staking_timelock: 64_000,
        staking_output_index: 0,
        staking_tx_hex: "0200".into(),
        is_overflow: false,
    }),
    r#"{"schema_version":0,"event_type":1,"staking_tx_hash_hex":"TXID","staker_pk_hex":"KEY","finality_provider_pk_hex":"KEY","staking_value":30000400000,"staking_start_height":864790,"staking_start_timestamp":1728378000,"staking_timelock":64000,"staking_output_index":0,"staking_tx_hex":"0200","is_overflow":false}"#
)]
#[case(
    Event::Unbonding(UnbondingStaking {
        staking_tx_hash_hex: txid(),
        unbonding_start_height: 864_800,
        unbonding_start_timestamp: -1,
        unbonding_timelock: 1_008,
        unbonding_output_index: 0,
        unbonding_tx_hex: "0200".into(),
        unbonding_tx_hash_hex: txid(),
    }),
    r#"{"schema_version":0,"event_type":2,"staking_tx_hash_hex":"TXID","unbonding_start_height":864800,"unbonding_start_timestamp":-1,"unbonding_timelock":1008,"unbonding_output_index":0,"unbonding_tx_hex":"0200","unbonding_tx_hash_hex":"TXID"}"#
)]
#[case(
    Event::Withdraw(WithdrawStaking { staking_tx_hash_hex: txid(), tx: None }),
    r#"{"schema_version":0,"event_type":3,"staking_tx_hash_hex":"TXID"}"#
)]
#[case(
    Event::Withdraw(WithdrawStaking { staking_tx_hash_hex: txid(), tx: Some(withdraw_tx()) }),
    r#"{"schema_version":1,"event_type":3,"staking_tx_hash_hex":"TXID","withdraw_tx_hash_hex":"TXID","withdraw_tx_btc_height":900000,"withdraw_tx_hex":"0200"}"#
)]
#[case(
    Event::Expired(ExpiredStaking { staking_tx_hash_hex: txid(), tx_type: Output::Unbonding }),
    r#"{"schema_version":0,"event_type":4,"staking_tx_hash_hex":"TXID","tx_type":"unbonding"}"#
)]
#[case(
    Event::Stats(StakingStats {
        staking_tx_hash_hex: txid(),
        staker_pk_hex: key(),
        finality_provider_pk_hex: key(),
        staking_value: 1,
        state: StatsState::Unbonded,
        is_overflow: true,
    }),
    r#"{"schema_version":1,"event_type":5,"staking_tx_hash_hex":"TXID","staker_pk_hex":"KEY","finality_provider_pk_hex":"KEY","staking_value":1,"state":"unbonded","is_overflow":true}"#
)]
#[case(
    Event::BtcInfo(BtcInfo { height: 9, confirmed_tvl: 7, unconfirmed_tvl: u64::MAX }),
    r#"{"schema_version":0,"event_type":6,"height":9,"confirmed_tvl":7,"unconfirmed_tvl":18446744073709551615}"#
)]
#[case(
    Event::ConfirmedInfo(ConfirmedInfo { height: 9, tvl: 7 }),
    r#"{"schema_version":0,"event_type":7,"height":9,"tvl":7}"#
)]
fn event__should_have_the_fields_of_its_queue_and_be_read_back(
    #[case] event: Event,
    #[case] expected: &str,
) {
    let expected = expected.replace("TXID", TXID).replace("KEY", KEY);
    let json = event.to_json();
    assert_eq!(String::from_utf8_lossy(&json), expected);
    let read = Event::from_json(event.queue(), &json).expect("our own body");
    assert_eq!(read, event);
}

#[test]
fn event__should_not_be_read_from_the_body_of_another_queue() {
    // Given an event of queue 7, whose schema is all that queue 7 asks for
    let json = br#"{"schema_version":0,"event_type":6,"height":9,"tvl":7}"#;
    // When
    let refused = Event::from_json(Queue::ConfirmedInfo, json).expect_err("another type");
    // Then
    assert_eq!(refused.to_string(), "confirmed_info_queue: expected event_type 7, got 6");
}

#[test]
fn event__should_name_the_field_that_is_missing_or_wrong() {
    let json = br#"{"schema_version":0,"event_type":4,"staking_tx_hash_hex":"00","tx_type":"x"}"#;
    let refused = Event::from_json(Queue::Expired, json).expect_err("no such word");
    assert!(refused.to_string().starts_with("expired_staking_queue: not a body"), "{refused}");
}

#[rstest]
#[case(EventKind::Active, "active")]
#[case(EventKind::Unbonding, "unbonding")]
#[case(EventKind::Withdraw, "withdraw")]
#[case(EventKind::Expired(Output::Staking), "expired:active")]
#[case(EventKind::Expired(Output::Unbonding), "expired:unbonding")]
#[case(EventKind::Stats(StatsState::Active), "stats:active")]
#[case(EventKind::Stats(StatsState::Unbonded), "stats:unbonded")]
fn message_id__should_be_the_transaction_and_the_kind(
    #[case] kind: EventKind,
    #[case] words: &str,
) {
    assert_eq!(message_id(txid(), kind), format!("{TXID}:{words}"));
}

#[test]
fn message_id__should_tell_blocks_of_one_height_and_both_infos_apart() {
    let [a, b] = [1, 2].map(|byte| BlockHash::from_byte_array([byte; 32]));
    let tip = BtcInfo { height: 9, confirmed_tvl: 0, unconfirmed_tvl: 0 };
    let confirmed = ConfirmedInfo { height: 9, tvl: 0 };
    assert_eq!(tip.message_id(a), format!("{a}:9:btc_info"));
    assert_eq!(confirmed.message_id(a), format!("{a}:9:confirmed_info"));
    assert_ne!(tip.message_id(a), tip.message_id(b));
}

#[test]
fn queue__should_have_the_event_type_of_its_place() {
    assert_eq!(Queue::ALL.map(Queue::event_type), [1, 2, 3, 4, 5, 6, 7]);
}
