//! Fee rates.

use bitcoin::{Amount, FeeRate};
use futures::future::{BoxFuture, FutureExt};
use serde::Deserialize;
use serde_json::json;
use trestle_actors::ports::{ChainError, EstimateFee};

use crate::{
    Bitcoind,
    rpc::{Reply, Request, read},
};

/// What `estimatesmartfee` takes as target.
const TARGETS: std::ops::RangeInclusive<u16> = 1..=1_008;

#[derive(Deserialize)]
struct Estimate {
    #[serde(default, with = "bitcoin::amount::serde::as_btc::opt")]
    feerate: Option<Amount>,
}

#[derive(Deserialize)]
struct Mempool {
    #[serde(with = "bitcoin::amount::serde::as_btc")]
    mempoolminfee: Amount,
    #[serde(with = "bitcoin::amount::serde::as_btc")]
    minrelaytxfee: Amount,
}

impl EstimateFee for Bitcoind {
    fn fee_rate(&self, blocks: u16) -> BoxFuture<'_, Result<FeeRate, ChainError>> {
        let target = blocks.clamp(*TARGETS.start(), *TARGETS.end());
        let requests =
            [Request::new("estimatesmartfee", json!([target])), Request::bare("getmempoolinfo")];
        async move {
            self.read_batch(&requests, |replies| rate(replies, self.fallback_fee())).await
        }
        .boxed()
    }
}

fn rate(replies: Vec<Reply<'_>>, fallback: FeeRate) -> Result<FeeRate, ChainError> {
    let [estimate, mempool]: [Reply<'_>; 2] =
        replies.try_into().expect("the batch has as many replies as calls");
    let estimate: Estimate = read("estimatesmartfee", estimate)?;
    let mempool: Mempool = read("getmempoolinfo", mempool)?;
    let wanted = estimate.feerate.map_or(fallback, per_kvb);
    Ok(wanted.max(per_kvb(mempool.mempoolminfee)).max(per_kvb(mempool.minrelaytxfee)))
}

/// From bitcoind's unit, bitcoin per 1,000 virtual bytes, rounded up.
fn per_kvb(amount: Amount) -> FeeRate {
    FeeRate::from_sat_per_kwu(amount.to_sat().div_ceil(4))
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    fn of(estimate: &str, minimum: &str) -> FeeRate {
        let mempool = format!(r#"{{"mempoolminfee":{minimum},"minrelaytxfee":0.00001000}}"#);
        let fallback = FeeRate::from_sat_per_vb_u32(7);
        rate(vec![Ok(estimate), Ok(&mempool)], fallback).expect("the replies are well formed")
    }

    #[test]
    fn rate__should_be_the_estimate_above_the_minimum() {
        let rate = of(r#"{"feerate":0.00012345,"blocks":2}"#, "0.00001");

        assert_eq!(rate.to_sat_per_kwu(), 12_345_u64.div_ceil(4));
    }

    #[test]
    fn rate__should_not_be_below_what_the_mempool_takes() {
        let rate = of(r#"{"feerate":0.00001000,"blocks":2}"#, "0.00005000");

        assert_eq!(rate, FeeRate::from_sat_per_vb_u32(5));
    }

    #[test]
    fn rate__should_fall_back_without_an_estimate() {
        let rate = of(r#"{"errors":["Insufficient data"],"blocks":0}"#, "0.00001000");

        assert_eq!(rate, FeeRate::from_sat_per_vb_u32(7));
    }
}
