//! A member that also signs over HTTP, for pipelines that know nothing of peers.

use std::fs;

use eyre::{Result, ensure};
use serde_json::{Value, json};
use trestle_devnet::{Port, network::staking::StakingNet};
use trestle_staking::Stake;

use crate::support::{active, params, play, small, stake};

/// The member's listener and its token.
struct Signer {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Signer {
    async fn ask(&self, token: &str, body: String) -> Result<(u16, Value)> {
        // Without a content type, as some clients do.
        let answer = self.http.post(&self.url).bearer_auth(token).body(body).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn sign(&self, order: &Value) -> Result<(u16, Value)> {
        self.ask(&self.token, order.to_string()).await
    }
}

/// The body that asks the first member to sign the unbonding of a stake.
async fn order(net: &StakingNet, request: &Value, stake: &Stake) -> Result<Value> {
    let staking = net.bitcoind.transaction(stake.outpoint.txid).await?;
    Ok(json!({
        "staking_output_pk_script_hex": staking.output[0].script_pubkey.to_hex_string(),
        "unbonding_tx_hex": request["unbonding_tx_hex"],
        "staker_unbonding_sig_hex": request["staker_signed_signature_hex"],
        "covenant_public_key": net.members[0].covenant_key(),
    }))
}

#[tokio::test]
async fn member__should_sign_over_http_what_its_own_chain_allows() -> Result<()> {
    play(&small(), async |net| {
        // Given
        let port = Port::free()?;
        let member = &mut net.members[0];
        let listen = format!("covenant.http.listen = \"127.0.0.1:{}\"", port.number());
        member.configure(&["covenant.http.enable = true".into(), listen])?;
        member.restart().await?;
        let signer = Signer {
            http: reqwest::Client::builder().no_proxy().build()?,
            url: format!("http://127.0.0.1:{}/v1/sign-unbonding-tx", port.number()),
            token: fs::read_to_string(member.data().join("covenant.token"))?.trim().to_owned(),
        };
        let (staker, known) = active(net, 2).await?;
        let request = staker.unbonding_request(&known, &params(net)?)?;
        let good = order(net, &request, &known).await?;
        // It judges by its own index, which may be behind the coordinator's.
        net.followed(&net.members[0]).await?;

        // Then
        let (status, body) = signer.ask("wrong", good.to_string()).await?;
        ensure!(status == 401 && body["data"].is_null(), "{status} {body}");
        let (status, body) = signer.ask(&signer.token, "{}".into()).await?;
        ensure!(status == 400 && body["errorCode"] == "BAD_REQUEST", "{status} {body}");
        let (status, body) = signer.ask(&signer.token, " ".repeat(10_000)).await?;
        ensure!(status == 413, "{status} {body}");
        let (status, signed) = signer.sign(&good).await?;
        let signature = signed["data"]["signature_hex"].as_str().unwrap_or_default();
        ensure!(status == 200 && signature.len() == 128, "{status} {signed}");
        let (_, again) = signer.sign(&good).await?;
        ensure!(again == signed, "another signature: {again}");

        // A stake that is not deep enough, and a key that is another's.
        let (staker, young) = stake(net, 1).await?;
        net.mine(1).await?;
        net.followed(&net.members[0]).await?;
        let request = staker.unbonding_request(&young, &params(net)?)?;
        let (status, body) = signer.sign(&order(net, &request, &young).await?).await?;
        ensure!(status == 400 && body["errorCode"] == "BAD_REQUEST", "{status} {body}");
        let mut other = good.clone();
        other["covenant_public_key"] = net.members[1].covenant_key().into();
        let (status, body) = signer.sign(&other).await?;
        ensure!(status == 500, "{status} {body}");
        Ok(())
    })
    .await
}
