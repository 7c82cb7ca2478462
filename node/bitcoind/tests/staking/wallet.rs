//! Covenant keys in an offline wallet of a real bitcoind.

use std::{collections::BTreeMap, time::Duration};

use bitcoin::{Network, OutPoint, Txid, hashes::Hash as _};
use trestle_actors::ports::{ChainError, SignError, SignUnbonding, SigningOrder};
use trestle_bitcoind::{Auth, Config, OfflineWallet, Secret, WalletError};
use trestle_devnet::OfflineWallet as Harness;
use trestle_staking::{Stake, VersionParams, tx::Unbonding};

use crate::{
    chain::Chain,
    committee::{NINE, ONE},
    fixture::{STAKER, THREE, key, keypair, params, plan, public, sign},
};

async fn must_start(numbers: &[u8]) -> Harness {
    let keys: Vec<_> = numbers.iter().map(|number| keypair(*number).secret_key()).collect();
    Harness::start(&keys).await.expect("a bitcoind with wallets; scripts/setup installs one")
}

fn config_of(harness: &Harness) -> Config {
    let node = harness.bitcoind();
    let auth = Auth::Password { user: node.user().into(), password: Secret::new(node.password()) };
    let timeout = Duration::from_secs(60);
    Config { retries: 0, timeout, ..Config::new(node.rpc_url(), auth, Network::Regtest) }
}

fn client_of(harness: &Harness) -> OfflineWallet {
    OfflineWallet::new(&config_of(harness), harness.name()).expect("the harness gives a good URL")
}

/// A stake that is on no chain: a wallet does not look.
fn stake(number: u8, params: &VersionParams) -> Stake {
    plan(100).stake(OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 }, params)
}

fn order(stake: &Stake, params: &VersionParams, member: u8) -> SigningOrder {
    let unbonding = Unbonding::new(stake, params).expect("worth more than the fee");
    SigningOrder::new(&unbonding, public(member))
}

#[tokio::test]
async fn wallet__should_sign_unbondings_that_the_chain_accepts() {
    // Given a wallet with the keys of every committee.
    let harness = must_start(NINE.members).await;
    harness.unlock().await.expect("the operator knows the passphrase");
    let wallet = client_of(&harness);
    assert_eq!(wallet.check().await, Ok(()));
    let chain = Chain::must_start().await;
    for committee in [ONE, THREE, NINE] {
        let params = params(committee);
        let stake = chain.must_stake_one(plan(1000), &params).await;
        let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");

        // When it signs for a quorum.
        let quorum = usize::try_from(committee.quorum).expect("a small number");
        let mut signatures = BTreeMap::new();
        for member in &committee.members[..quorum] {
            let signed = wallet.sign(SigningOrder::new(&unbonding, public(*member))).await;
            signatures.insert(key(*member), signed.expect("it holds the key"));
        }

        // Then the unbonding is valid.
        let staker = sign(STAKER, unbonding.sighash());
        let signed = unbonding.finish(&staker, &signatures).expect("a quorum of good signatures");
        chain.must_confirm(&signed).await;
    }
}

#[tokio::test]
async fn wallet__should_answer_many_orders_in_their_order() {
    let harness = must_start(&[101]).await;
    harness.unlock().await.expect("the operator knows the passphrase");
    let params = params(THREE);
    // More than one request takes; every seventh is for a key that the wallet does not hold.
    let member = |number: u8| if number.is_multiple_of(7) { 102 } else { 101 };
    let orders: Vec<_> =
        (1..=120).map(|number| order(&stake(number, &params), &params, member(number))).collect();

    let answers = client_of(&harness).sign_many(orders).await;

    assert_eq!(answers.len(), 120);
    for (number, answer) in (1..=120_u8).zip(answers) {
        let unbonding = Unbonding::new(&stake(number, &params), &params).expect("worth enough");
        match answer {
            Ok(signature) => assert!(unbonding.verify_member(&key(101), &signature), "{number}"),
            Err(error) => {
                assert_eq!((number % 7, error), (0, SignError::NotHeld(public(102))));
            }
        }
    }
}

#[tokio::test]
async fn wallet__should_say_that_it_is_locked_until_its_operator_unlocks_it() {
    let mut harness = must_start(&[101]).await;
    let params = params(THREE);
    let order = || order(&stake(1, &params), &params, 101);
    let wallet = client_of(&harness);

    assert_eq!(wallet.sign(order()).await, Err(SignError::Locked));
    assert_eq!(wallet.check().await, Err(WalletError::Locked));
    harness.unlock().await.expect("the operator knows the passphrase");
    let first = wallet.sign(order()).await.expect("unlocked");
    harness.lock().await.expect("bitcoind answers");
    assert_eq!(wallet.sign(order()).await, Err(SignError::Locked));

    // A restart locks too.
    harness.unlock().await.expect("the operator knows the passphrase");
    harness.bitcoind_mut().restart().await.expect("it starts again");
    let wallet = client_of(&harness);
    assert_eq!(wallet.sign(order()).await, Err(SignError::Locked));
    harness.unlock().await.expect("the operator knows the passphrase");
    assert_eq!(wallet.sign(order()).await, Ok(first), "the same order has the same signature");
}

#[tokio::test]
async fn wallet__should_say_which_key_it_does_not_hold() {
    let harness = must_start(&[55]).await;
    harness.unlock().await.expect("the operator knows the passphrase");
    let params = params(THREE);

    let signed = client_of(&harness).sign(order(&stake(1, &params), &params, 101)).await;

    let error = signed.expect_err("it holds another key");
    assert_eq!(error, SignError::NotHeld(public(101)));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn wallet__should_say_why_it_cannot_be_reached() {
    let mut harness = must_start(&[101]).await;
    harness.unlock().await.expect("the operator knows the passphrase");
    let params = params(THREE);
    let order = order(&stake(1, &params), &params, 101);
    let config = config_of(&harness);
    let wallet = |config: &Config, name: &str| {
        OfflineWallet::new(config, name).expect("the harness gives a good URL")
    };

    let other = wallet(&config, "another/wallet").signatures(std::slice::from_ref(&order)).await;
    let mainnet = Config { network: Network::Bitcoin, ..config.clone() };
    let elsewhere = wallet(&mainnet, harness.name()).signatures(std::slice::from_ref(&order)).await;
    harness.unload().await.expect("bitcoind answers");
    let unloaded = client_of(&harness).check().await;
    harness.bitcoind_mut().stop().await.expect("it ends");
    let away = client_of(&harness).sign(order).await;

    assert_eq!(other, [Err(WalletError::NotLoaded("another/wallet".into()))]);
    let [Err(WalletError::Chain(ChainError::WrongChain { .. }))] = elsewhere.as_slice() else {
        panic!("{elsewhere:?}")
    };
    assert_eq!(unloaded, Err(WalletError::NotLoaded(harness.name().into())));
    assert!(matches!(away, Err(SignError::Unavailable(_))), "{away:?}");
}
