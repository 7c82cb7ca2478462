//! Looking at what a coordinator says of stakes, and waiting until it says something.

use std::time::Duration;

use bitcoin::Txid;
use eyre::{Result, WrapErr as _, bail, ensure, eyre};
use reqwest::Method;
use serde_json::{Value, json};

use super::{FIRST_ACTIVATION, StakingNet};
use crate::{network::Node, wait};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

impl StakingNet {
    /// Waits until the coordinator's index has gone through bitcoind's best block, if that is one
    /// that it looks at. A block of the same height is not told from it. Gives the height.
    ///
    /// # Errors
    /// When it does not.
    pub async fn synced(&self) -> Result<u64> {
        self.followed(&self.coordinator).await
    }

    /// The same for the index of a member.
    ///
    /// # Errors
    /// As [`synced`](Self::synced).
    pub async fn followed(&self, node: &Node) -> Result<u64> {
        let tip = self.bitcoind.height().await?;
        if tip < FIRST_ACTIVATION {
            return Ok(tip);
        }
        let mut at = None;
        let what = format!("the index of {} to reach the tip", node.name());
        let reached = wait::until(&what, PATIENCE, async || {
            // A node that starts does not answer yet.
            let Ok(metrics) = node.metrics().await else { return Ok(None) };
            at = metrics.get("trestle_staking_height");
            #[expect(clippy::cast_precision_loss, reason = "heights are small")]
            let there = at == Some(tip as f64);
            Ok(there.then_some(tip))
        });
        reached.await.wrap_err_with(|| format!("expected it at height {tip}, it is at {at:?}"))
    }

    /// Mines blocks and waits until the index has gone through them. Gives the height.
    ///
    /// # Errors
    /// When bitcoind refuses, or the index does not follow.
    pub async fn mine(&self, blocks: u64) -> Result<u64> {
        self.bitcoind.mine(blocks).await?;
        self.synced().await
    }

    /// Mines up to a height and waits until the index has gone through it.
    ///
    /// # Errors
    /// When the chain is higher already, bitcoind refuses, or the index does not follow.
    pub async fn mine_to(&self, height: u64) -> Result<u64> {
        let tip = self.bitcoind.height().await?;
        ensure!(tip <= height, "the chain is at height {tip}, above {height}");
        self.mine(height - tip).await
    }

    /// A delegation; `None` if there is none of that transaction.
    ///
    /// # Errors
    /// When the coordinator answers in any other way.
    pub async fn delegation(&self, txid: Txid) -> Result<Option<Value>> {
        let path = format!("/v1/delegation?staking_tx_hash_hex={txid}");
        match self.coordinator.request(Method::GET, &path, None).await? {
            (200, body) => Ok(Some(body["data"].clone())),
            (404, body) if body["errorCode"] == "NOT_FOUND" => Ok(None),
            (status, body) => bail!("{path} answered {status}: {body}"),
        }
    }

    /// Waits until a delegation is in a state. Gives it.
    ///
    /// # Errors
    /// When it is not.
    pub async fn state(&self, txid: Txid, state: &str) -> Result<Value> {
        let mut last = None;
        let what = format!("the stake {txid} to be {state}");
        let reached = wait::until(&what, PATIENCE, async || {
            // The node may be starting.
            let Ok(now) = self.delegation(txid).await else { return Ok(None) };
            let there = now.as_ref().is_some_and(|now| now["state"] == state);
            last.clone_from(&now);
            Ok(now.filter(|_| there))
        });
        reached.await.wrap_err_with(|| format!("it is {last:?}"))
    }

    /// The data of `GET /v1/stats`.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn stats(&self) -> Result<Value> {
        Ok(self.coordinator.get("/v1/stats").await?["data"].clone())
    }

    /// Asks to unbond; gives status and body.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn ask_unbonding(&self, request: &Value) -> Result<(u16, Value)> {
        self.coordinator.request(Method::POST, "/v1/unbonding", Some(request)).await
    }

    /// Waits until bitcoind has a transaction in its mempool or, with its index, in a block.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn seen(&self, txid: Txid) -> Result<()> {
        wait::until("bitcoind to have the transaction", PATIENCE, async || {
            Ok(self.bitcoind.transaction(txid).await.is_ok().then_some(()))
        })
        .await
    }

    /// Why the mempool does not take a transaction; `None` if it does.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub async fn refusal(&self, transaction: &bitcoin::Transaction) -> Result<Option<String>> {
        let hex = bitcoin::consensus::encode::serialize_hex(transaction);
        let tested = self.bitcoind.rpc("testmempoolaccept", json!([[hex]])).await?;
        if tested[0]["allowed"] == true {
            return Ok(None);
        }
        let reason = tested[0]["reject-reason"].as_str();
        reason.map(|reason| Some(reason.to_owned())).ok_or_else(|| eyre!("no reason: {tested}"))
    }

    /// Waits until every listed node has shaken hands with the others.
    ///
    /// # Errors
    /// When they do not meet.
    pub async fn meet(&self) -> Result<()> {
        let peers: Vec<&str> = self.members.iter().map(Node::peer).collect();
        wait::until("the coordinator to meet the members", PATIENCE, async || {
            let Ok(facts) = self.coordinator.get("/v1/node").await else { return Ok(None) };
            let seen = facts["peers"].as_array().cloned().unwrap_or_default();
            let agrees = |peer: &&str| {
                seen.iter().any(|seen| seen["peer"] == **peer && seen["agrees"] == true)
            };
            Ok(peers.iter().all(agrees).then_some(()))
        })
        .await
    }
}
