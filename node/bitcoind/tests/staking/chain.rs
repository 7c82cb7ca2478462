//! A regtest chain with stakes on it.

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Transaction, TxOut, Witness, consensus::encode::serialize_hex,
    opcodes::OP_TRUE, script::Builder, secp256k1::Secp256k1,
};
use serde_json::json;
use trestle_devnet::{Bitcoind, Options};
use trestle_staking::{
    Stake, VersionParams,
    identify::{Identified, identify},
    tx::{Funding, StakePlan, Unbonding},
};

use crate::fixture::{Committee, STAKER, key, sign};

/// Of every transaction here that has a choice.
pub(crate) const FEE: Amount = Amount::from_sat(1_500);

pub(crate) struct Chain {
    node: Bitcoind,
}

impl Chain {
    /// With all blocks up to the first version's activation.
    pub(crate) async fn must_start() -> Self {
        let node = Bitcoind::start(Options::default()).await;
        let node = node.expect("bitcoind starts; scripts/setup installs one");
        node.mine(101).await.expect("bitcoind mines");
        Self { node }
    }

    pub(crate) async fn must_mine(&self, blocks: u16) {
        self.node.mine(u64::from(blocks)).await.expect("bitcoind mines");
    }

    /// Makes stakes as planned and confirms them in one block. They are as identified in what
    /// bitcoind gives back.
    pub(crate) async fn must_stake(
        &self,
        plans: &[StakePlan],
        params: &VersionParams,
    ) -> Vec<Stake> {
        let mut txids = Vec::new();
        for plan in plans {
            let transaction = self.must_build(plan, params).await;
            txids.push(self.node.broadcast(&transaction).await.expect("a good stake"));
        }
        self.must_mine(1).await;
        let mut stakes = Vec::new();
        for txid in txids {
            let transaction = self.node.transaction(txid).await.expect("it is confirmed");
            match identify(&transaction, params) {
                Identified::Stake(stake) => stakes.push(stake),
                other @ (Identified::Invalid { .. } | Identified::NotStaking(_)) => {
                    panic!("{other:?}")
                }
            }
        }
        stakes
    }

    /// As [`Chain::must_stake`], for one.
    pub(crate) async fn must_stake_one(&self, plan: StakePlan, params: &VersionParams) -> Stake {
        let mut stakes = self.must_stake(&[plan], params).await;
        stakes.pop().expect("as many stakes as plans")
    }

    async fn must_build(&self, plan: &StakePlan, params: &VersionParams) -> Transaction {
        let coin = TxOut {
            value: plan.value + FEE,
            script_pubkey: Bitcoind::open_address().script_pubkey(),
        };
        let txid = self.node.fund(&Bitcoind::open_address(), coin.value.to_sat()).await;
        let outpoint = OutPoint { txid: txid.expect("there are coins"), vout: 0 };
        let funding = Funding::new(vec![(outpoint, coin)], Vec::new(), params);
        let mut transaction = plan.transaction(params, &funding).expect("within the parameters");
        let anyone = Builder::new().push_opcode(OP_TRUE).into_script();
        transaction.input[0].witness = Witness::from_slice(&[anyone.as_bytes()]);
        transaction
    }

    /// Unbonds a stake with all that this takes, and confirms it. Gives the output's place and
    /// value.
    pub(crate) async fn must_unbond(
        &self,
        stake: &Stake,
        params: &VersionParams,
        committee: Committee,
    ) -> (OutPoint, Amount) {
        let unbonding = Unbonding::new(stake, params).expect("worth more than the fee");
        let hash = unbonding.sighash();
        let signed = unbonding.finish(&sign(STAKER, hash), &committee.signatures(hash));
        let signed = signed.expect("a quorum of good signatures");
        self.must_confirm(&signed).await;
        (OutPoint { txid: signed.compute_txid(), vout: 0 }, signed.output[0].value)
    }

    /// Has a transaction accepted and mined.
    pub(crate) async fn must_confirm(&self, transaction: &Transaction) {
        assert_eq!(self.refusal(transaction).await, None);
        let txid = self.node.broadcast(transaction).await.expect("it was accepted for a test");
        self.must_mine(1).await;
        assert_eq!(self.node.confirmations(txid).await.ok(), Some(1));
    }

    /// Why the mempool does not accept a transaction: what `testmempoolaccept` says, and
    /// `sendrawtransaction` must say the same.
    pub(crate) async fn refusal(&self, transaction: &Transaction) -> Option<String> {
        let raw = json!([[serialize_hex(transaction)]]);
        let tested = self.node.rpc("testmempoolaccept", raw).await.expect("bitcoind answers");
        if tested[0]["allowed"] == json!(true) {
            return None;
        }
        let reason = tested[0]["reject-reason"].as_str().expect("a reason").to_owned();
        let sent = self.node.broadcast(transaction).await.expect_err("refused when it was tested");
        assert!(sent.to_string().contains(&reason), "{sent} is not {reason}");
        Some(reason)
    }

    /// Why a block with a transaction would not be valid: consensus, whatever the mempool's policy.
    pub(crate) async fn invalidity(&self, transaction: &Transaction) -> Option<String> {
        let address = Bitcoind::open_address().to_string();
        const SUBMIT: bool = false;
        let block = json!([address, [serialize_hex(transaction)], SUBMIT]);
        self.node.rpc("generateblock", block).await.err().map(|error| error.to_string())
    }
}

/// Somebody's key.
pub(crate) fn somewhere() -> ScriptBuf {
    ScriptBuf::new_p2tr(&Secp256k1::new(), key(77), None)
}
