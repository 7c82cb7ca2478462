//! The limit: blocks fetched and decoded, and nothing else done with them but what the caller says.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bitcoin::{Block, BlockHash, consensus::deserialize};
use eyre::{OptionExt as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Hashes asked for at once, as the follower does.
const PAGE: u32 = 2_000;

/// A connection pool to one bitcoind.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) password: String,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    result: Option<std::borrow::Cow<'a, str>>,
}

impl Plain {
    /// Fetches and decodes all blocks at these heights, with `parallel` requests of `batch` blocks
    /// each at a time, and gives each to `work`, in no order, on the thread that decoded it. Gives
    /// how many transactions they hold.
    ///
    /// # Errors
    /// When bitcoind does not answer as it should.
    pub(crate) async fn fetch(
        &self,
        heights: Range<u32>,
        parallel: usize,
        batch: usize,
        work: impl Fn(&Block) -> Result<()> + Clone + Send + Sync + 'static,
    ) -> Result<usize> {
        let hashes = Arc::new(self.hashes(heights).await?);
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..parallel {
            let (plain, hashes, next) = (self.clone(), Arc::clone(&hashes), Arc::clone(&next));
            let work = work.clone();
            workers.spawn(async move {
                let mut transactions = 0;
                loop {
                    let from = next.fetch_add(batch, Ordering::Relaxed);
                    let Some(rest) = hashes.get(from..).filter(|rest| !rest.is_empty()) else {
                        return Ok::<_, eyre::Report>(transactions);
                    };
                    transactions += plain.blocks(&rest[..batch.min(rest.len())], &work).await?;
                }
            });
        }
        let mut transactions = 0;
        while let Some(done) = workers.join_next().await {
            transactions += done??;
        }
        Ok(transactions)
    }

    async fn hashes(&self, heights: Range<u32>) -> Result<Vec<BlockHash>> {
        let mut hashes = Vec::with_capacity(heights.len());
        let mut from = heights.start;
        while from < heights.end {
            let page = from..heights.end.min(from.saturating_add(PAGE));
            from = page.end;
            let calls: Vec<Value> =
                page.map(|height| call("getblockhash", json!([height]))).collect();
            let body = self.post(&Value::Array(calls)).await?;
            for answer in serde_json::from_slice::<Vec<Answer<'_>>>(&body)? {
                hashes.push(answer.result.ok_or_eyre("expected a hash")?.parse()?);
            }
        }
        Ok(hashes)
    }

    async fn blocks(
        &self,
        hashes: &[BlockHash],
        work: &impl Fn(&Block) -> Result<()>,
    ) -> Result<usize> {
        let calls = hashes.iter().map(|hash| call("getblock", json!([hash, 0])));
        if let [_] = hashes {
            let body = self.post(&calls.collect::<Vec<_>>()[0]).await?;
            return transactions(&serde_json::from_slice(&body)?, work);
        }
        let body = self.post(&Value::Array(calls.collect())).await?;
        let answers: Vec<Answer<'_>> = serde_json::from_slice(&body)?;
        answers.iter().map(|answer| transactions(answer, work)).sum()
    }

    async fn post(&self, body: &Value) -> Result<Vec<u8>> {
        let request = self.http.post(&self.url).basic_auth(&self.user, Some(&self.password));
        let answer = request.body(serde_json::to_vec(body)?).send().await?;
        ensure!(answer.status().is_success(), "bitcoind answered {}", answer.status());
        Ok(answer.bytes().await?.into())
    }
}

fn call(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "1.0", "id": 0, "method": method, "params": params})
}

fn transactions(answer: &Answer<'_>, work: &impl Fn(&Block) -> Result<()>) -> Result<usize> {
    let text = answer.result.as_deref().ok_or_eyre("expected a block")?;
    let block: Block = deserialize(&const_hex::decode(text)?)?;
    work(&block)?;
    Ok(block.txdata.len())
}
