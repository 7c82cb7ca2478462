#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod asking;
mod properties;
mod resend;
mod sending;
mod table;

use bitcoin::{
    Amount, OutPoint, PublicKey, Transaction, Txid, Witness, XOnlyPublicKey,
    hashes::Hash,
    key::Keypair,
    secp256k1::{Message, Secp256k1, schnorr::Signature},
};
use trestle_machine::{Machine, Step};

use super::*;
use crate::{Cap, Covenant, Stake, Tag, VersionParams, tx::Unbonding};

const STAKER: u8 = 1;
/// The committee; two of them must sign.
const MEMBERS: [u8; 3] = [101, 102, 103];
/// Of the stake's block.
const HEIGHT: u32 = 120;

fn keypair(number: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[number; 32]).expect("small and not zero")
}

fn key(number: u8) -> XOnlyPublicKey {
    keypair(number).x_only_public_key().0
}

fn member(number: u8) -> MemberKey {
    key(number).serialize()
}

fn sign(number: u8, hash: [u8; 32]) -> Signature {
    Secp256k1::new().sign_schnorr_no_aux_rand(&Message::from_digest(hash), &keypair(number))
}

fn params() -> VersionParams {
    let covenant = Covenant::new(MEMBERS.map(key), 2).expect("different keys and a quorum of them");
    VersionParams {
        version: 0,
        activation_height: 100,
        cap: Cap::Height(200),
        tag: Tag(*b"test"),
        covenant_pks: MEMBERS.map(|one| PublicKey::new(keypair(one).public_key())).to_vec(),
        covenant,
        unbonding_time: 20,
        unbonding_fee: Amount::from_sat(500),
        max_staking_amount: Amount::from_sat(100_000),
        min_staking_amount: Amount::from_sat(10_000),
        max_staking_time: 1000,
        min_staking_time: 10,
        confirmation_depth: 2,
    }
}

fn stake() -> Stake {
    Stake {
        outpoint: OutPoint { txid: Txid::from_byte_array([9; 32]), vout: 0 },
        staker: key(STAKER),
        finality_provider: key(2),
        value: Amount::from_sat(50_000),
        time: 100,
        params_version: 0,
    }
}

fn order() -> Order {
    let params = params();
    let unbonding = Unbonding::new(&stake(), &params).expect("enough is left");
    let staker = sign(STAKER, unbonding.sighash());
    Order::new(&stake(), HEIGHT, &params, &unbonding, &staker)
}

fn request() -> Request {
    Request::accept(order())
}

/// The finished transaction.
fn finished(request: &Request) -> Transaction {
    let params = params();
    let unbonding = Unbonding::new(&stake(), &params).expect("enough is left");
    let order = request.order();
    let staker = order.signature().expect("a signature");
    let members = request.signatures().expect("keys and signatures");
    unbonding.finish(&staker, &members).expect("a quorum signed")
}

/// The same with any witness: what a step needs, at no cost.
fn roughly_finished() -> Transaction {
    let mut transaction = order().transaction().clone();
    transaction.input[0].witness = Witness::from_slice(&[[0; 500]]);
    transaction
}

fn signed_by(number: u8) -> Event {
    let signature = sign(number, order().sighash()).serialize();
    Event::Signed { key: member(number), signature }
}

fn txid(number: u8) -> Txid {
    Txid::from_byte_array([number; 32])
}

fn must_apply(request: &Request, event: &Event) -> (Request, Vec<Effect>) {
    match request.apply(event) {
        Ok(Step::Applied { state, effects }) => (state, effects),
        other => panic!("{event:?} gave {other:?}"),
    }
}

fn after(events: impl IntoIterator<Item = Event>) -> Request {
    events.into_iter().fold(request(), |request, event| must_apply(&request, &event).0)
}

/// Assembled, not sent.
fn assembled() -> Request {
    let signed = after([signed_by(101), signed_by(102)]);
    let transaction = finished(&signed);
    must_apply(&signed, &Event::Assembled(transaction)).0
}
