//! Confirmed coins, all as of one tip.

use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf};
use futures::future::{BoxFuture, FutureExt};
use serde::Deserialize;
use serde_json::json;
use trestle_actors::ports::{
    ChainError, ReadCoins,
    chain::{Coin, CoinView},
};

use crate::{
    Bitcoind,
    chain::ChainInfo,
    rpc::{Reply, Request, read},
};

/// Blocks do not come faster than a batch takes; several in a row mean something else is wrong.
const TRIES: u32 = 5;

#[derive(Deserialize)]
struct TxOut {
    bestblock: BlockHash,
    confirmations: u32,
    #[serde(with = "bitcoin::amount::serde::as_btc")]
    value: Amount,
    #[serde(rename = "scriptPubKey")]
    script: Script,
    coinbase: bool,
}

#[derive(Deserialize)]
struct Script {
    hex: ScriptBuf,
}

impl Bitcoind {
    async fn coins_at_one_tip(&self, outpoints: &[OutPoint]) -> Result<CoinView, ChainError> {
        let requests = requests(outpoints);
        for _ in 0..TRIES {
            if let Some(view) = self.read_batch(&requests, view).await? {
                return Ok(view);
            }
        }
        Err(ChainError::NotReady(format!("its tip changed during each of {TRIES} look-ups")))
    }
}

impl ReadCoins for Bitcoind {
    fn coins(&self, outpoints: Vec<OutPoint>) -> BoxFuture<'_, Result<CoinView, ChainError>> {
        async move { self.coins_at_one_tip(&outpoints).await }.boxed()
    }
}

/// The tip, the coins, and the tip again: bitcoind may connect a block in the middle of a batch.
fn requests(outpoints: &[OutPoint]) -> Vec<Request> {
    let mut requests = Vec::with_capacity(outpoints.len() + 2);
    requests.push(Request::bare("getblockchaininfo"));
    requests.extend(outpoints.iter().map(|at| {
        const INCLUDE_MEMPOOL: bool = false;
        Request::new("gettxout", json!([at.txid, at.vout, INCLUDE_MEMPOOL]))
    }));
    requests.push(Request::bare("getbestblockhash"));
    requests
}

/// The coins, or `None` if the tip changed in between.
fn view(replies: Vec<Reply<'_>>) -> Result<Option<CoinView>, ChainError> {
    let mut replies = replies.into_iter();
    let mut next = || replies.next().expect("the batch has as many replies as calls, two or more");
    let info: ChainInfo = read("getblockchaininfo", next())?;
    let tip = info.tip();
    let mut rest: Vec<_> = replies.collect();
    let last = rest.pop().expect("the batch has as many replies as calls, two or more");
    let last: BlockHash = read("getbestblockhash", last)?;
    let mut coins = Vec::with_capacity(rest.len());
    let mut same = last == tip.hash;
    for reply in rest {
        let out: Option<TxOut> = read("gettxout", reply)?;
        same &= out.as_ref().is_none_or(|out| out.bestblock == tip.hash);
        coins.push(out.map(|out| Coin {
            value: out.value,
            script: out.script.hex,
            confirmations: out.confirmations,
            coinbase: out.coinbase,
        }));
    }
    Ok(same.then_some(CoinView { tip, coins }))
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    const A: &str = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
    const B: &str = "00000000000000000000000000000000000000000000000000000000000000bb";

    fn info(hash: &str) -> String {
        format!(
            r#"{{"chain":"regtest","blocks":7,"headers":7,"bestblockhash":"{hash}","time":1,
                "initialblockdownload":true,"pruned":false,"difficulty":4.6e-10}}"#
        )
    }

    fn coin(best: &str) -> String {
        format!(
            r#"{{"bestblock":"{best}","confirmations":3,"value":20999999.97690001,
                "scriptPubKey":{{"asm":"1","hex":"51","type":"nonstandard"}},"coinbase":true}}"#
        )
    }

    fn seen(first: &str, coin_at: &str, last: &str) -> Option<CoinView> {
        let (info, coin, last) = (info(first), coin(coin_at), format!("\"{last}\""));
        view(vec![Ok(&info), Ok(&coin), Ok("null"), Ok(&last)])
            .expect("the replies are well formed")
    }

    #[test]
    fn view__should_give_exact_amounts_and_none_for_what_is_spent() {
        let view = seen(A, A, A).expect("all of one tip");

        let coin = view.coins[0].as_ref().expect("the first is unspent");
        assert_eq!(coin.value.to_sat(), 2_099_999_997_690_001);
        assert_eq!((coin.confirmations, coin.coinbase), (3, true));
        assert_eq!(coin.script.as_bytes(), [0x51]);
        assert_eq!((view.tip.height, view.coins[1].as_ref()), (7, None));
    }

    #[test]
    fn view__should_refuse_a_tip_that_changed_within_the_batch() {
        assert_eq!(seen(A, A, B), None);
        assert_eq!(seen(A, B, A), None);
    }
}
