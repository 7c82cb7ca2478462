//! An offline wallet that answers wrongly.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitcoin::{
    OutPoint, Psbt, TapSighashType, Txid, hashes::Hash as _, secp256k1::schnorr::Signature, taproot,
};
use rstest::rstest;
use serde_json::{Value, json};
use trestle_actors::ports::{SignError, SignUnbonding, SigningOrder};
use trestle_bitcoind::{OfflineWallet, WalletError};
use trestle_staking::tx::Unbonding;

use crate::{
    config,
    fixture::{THREE, key, params, plan, public, sign},
    healthy,
    server::{Answer, Request, Server},
};

fn order() -> SigningOrder {
    let params = params(THREE);
    let stake =
        plan(100).stake(OutPoint { txid: Txid::from_byte_array([9; 32]), vout: 0 }, &params);
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    SigningOrder::new(&unbonding, public(101))
}

/// A wallet of which every call for a signature is answered thus.
async fn must_start(
    answer: impl Fn(&Value) -> Result<Value, (i64, &'static str)> + Send + Sync + 'static,
) -> Server {
    let handler = move |request: &Request| -> Answer {
        request.reply(|method, params| match method {
            "walletprocesspsbt" => answer(params),
            _ => Ok(healthy(method)),
        })
    };
    Server::start(handler).await
}

async fn signature(server: &Server) -> Result<Signature, WalletError> {
    let wallet = OfflineWallet::new(&config(&server.url()), "covenant").expect("the URL is fine");
    wallet.signatures(&[order()]).await.pop().expect("as many answers as orders")
}

/// The PSBT of the order with a signature in it.
fn signed(signature: Signature, sighash_type: TapSighashType) -> Value {
    let order = order();
    let mut psbt = order.psbt();
    let leaf = order.spend.spent()[0].leaf.hash();
    let typed = taproot::Signature { signature, sighash_type };
    psbt.inputs[0].tap_script_sigs.insert((key(101), leaf), typed);
    json!({"psbt": STANDARD.encode(psbt.serialize()), "complete": false})
}

#[tokio::test]
async fn wallet__should_be_asked_for_sighash_default_and_the_right_psbt() {
    let good = sign(101, order().sighash);
    let server = must_start(move |_| Ok(signed(good, TapSighashType::Default))).await;

    assert_eq!(signature(&server).await, Ok(good));

    let requests = server.requests();
    let call = &requests.last().expect("it was asked").body[0];
    let text = call["params"][0].as_str().expect("a PSBT");
    let psbt = Psbt::deserialize(&STANDARD.decode(text).expect("base64")).expect("a PSBT");
    assert_eq!(psbt, order().psbt());
    assert_eq!(call["params"][1], json!(true));
    assert_eq!(call["params"][2], json!("DEFAULT"));
}

#[rstest]
#[case::another_sighash(TapSighashType::All, 101, WalletError::Sighash(TapSighashType::All))]
#[case::only_outputs(
    TapSighashType::NonePlusAnyoneCanPay,
    101,
    WalletError::Sighash(TapSighashType::NonePlusAnyoneCanPay)
)]
#[case::another_keys(TapSighashType::Default, 102, WalletError::Invalid(public(101)))]
#[tokio::test]
async fn wallet__should_not_be_believed(
    #[case] sighash: TapSighashType,
    #[case] signer: u8,
    #[case] error: WalletError,
) {
    let server = must_start(move |_| Ok(signed(sign(signer, order().sighash), sighash))).await;

    let answer = signature(&server).await;

    assert!(matches!(SignError::from(error.clone()), SignError::Malformed(_)), "{error}");
    assert_eq!(answer, Err(error));
}

#[rstest]
#[case::no_psbt(json!({"complete": true}))]
#[case::no_base64(json!({"psbt": "***"}))]
#[case::no_psbt_inside(json!({"psbt": "AAAA"}))]
#[case::another_form(json!(7))]
#[tokio::test]
async fn unreadable_answer__should_be_malformed(#[case] answer: Value) {
    let server = must_start(move |_| Ok(answer.clone())).await;

    let answer = signature(&server).await;

    assert!(matches!(answer, Err(WalletError::Malformed(_))), "{answer:?}");
}

#[tokio::test]
async fn refusal__should_be_handed_on() {
    let server = must_start(|_| Err((-22, "Specified sighash value does not match"))).await;
    let wallet = OfflineWallet::new(&config(&server.url()), "covenant").expect("the URL is fine");

    let answer = wallet.sign(order()).await;

    let Err(SignError::Unavailable(text)) = answer else { panic!("{answer:?}") };
    assert!(text.contains("sighash value does not match"), "{text}");
}
