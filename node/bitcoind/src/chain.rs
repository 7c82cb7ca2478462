//! Headers and blocks.

use bitcoin::{
    Block, BlockHash,
    block::Header,
    consensus::{Decodable, deserialize},
};
use futures::future::{BoxFuture, FutureExt};
use serde::Deserialize;
use serde_json::json;
use trestle_actors::ports::{ChainError, ReadChain, chain::Tip};

use crate::{
    Bitcoind,
    rpc::{Reply, Request, code, read},
};

/// A block is at most 4 MB, twice that in hexadecimal, and a little JSON.
const MAX_BLOCK_ANSWER: usize = 8_000_000 + 4_096;
const HEADER_BYTES: usize = 80;

/// What we read of `getblockchaininfo`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ChainInfo {
    pub(crate) chain: String,
    pub(crate) blocks: u32,
    pub(crate) headers: u32,
    pub(crate) bestblockhash: BlockHash,
    pub(crate) time: u32,
    pub(crate) initialblockdownload: bool,
    pub(crate) pruned: bool,
    pub(crate) pruneheight: Option<u32>,
}

impl ChainInfo {
    pub(crate) const fn tip(&self) -> Tip {
        Tip { height: self.blocks, hash: self.bestblockhash }
    }
}

impl Bitcoind {
    pub(crate) async fn chain_info(&self) -> Result<ChainInfo, ChainError> {
        const METHOD: &str = "getblockchaininfo";
        let parse = |reply: Reply<'_>| Ok(read::<ChainInfo>(METHOD, reply)?);
        self.read_one(Request::bare(METHOD), MAX_BLOCK_ANSWER, parse).await
    }

    /// Whether this says that bitcoind is still loading the chain. Regtest never counts: there,
    /// bitcoind says so whenever no block is of today.
    pub(crate) fn is_loading(&self, info: &ChainInfo) -> bool {
        info.initialblockdownload && self.network() != bitcoin::Network::Regtest
    }

    async fn best(&self) -> Result<Tip, ChainError> {
        let info = self.chain_info().await?;
        if self.is_loading(&info) {
            let (blocks, headers) = (info.blocks, info.headers);
            let text = format!("initial block download, {blocks} of {headers} blocks");
            return Err(ChainError::NotReady(text));
        }
        Ok(info.tip())
    }

    async fn hash_run(&self, from: u32, count: u32) -> Result<Vec<BlockHash>, ChainError> {
        let heights = from..from.saturating_add(count);
        let requests: Vec<_> =
            heights.map(|height| Request::new("getblockhash", json!([height]))).collect();
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.read_batch(&requests, block_hashes).await
    }

    async fn header_run(&self, from: u32, count: u32) -> Result<Vec<Header>, ChainError> {
        let hashes = self.hash_run(from, count).await?;
        let requests: Vec<_> = hashes
            .iter()
            .map(|hash| Request::new("getblockheader", json!([hash, false])))
            .collect();
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.read_batch(&requests, |replies| {
            hashes.iter().zip(replies).map(|(hash, reply)| header(hash, reply)).collect()
        })
        .await
    }

    async fn whole_block(&self, hash: BlockHash) -> Result<Block, ChainError> {
        let request = Request::new("getblock", json!([hash, 0]));
        self.read_one(request, MAX_BLOCK_ANSWER, |reply| block_of(&hash, reply)).await
    }

    async fn block_run(&self, hashes: Vec<BlockHash>) -> Result<Vec<Block>, ChainError> {
        let requests: Vec<_> =
            hashes.iter().map(|hash| Request::new("getblock", json!([hash, 0]))).collect();
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.read_batch_within(&requests, MAX_BLOCK_ANSWER, |replies| {
            hashes.iter().zip(replies).map(|(hash, reply)| block_of(hash, reply)).collect()
        })
        .await
    }
}

impl ReadChain for Bitcoind {
    fn tip(&self) -> BoxFuture<'_, Result<Tip, ChainError>> {
        self.best().boxed()
    }

    fn headers(&self, from: u32, count: u32) -> BoxFuture<'_, Result<Vec<Header>, ChainError>> {
        self.header_run(from, count).boxed()
    }

    fn hashes(&self, from: u32, count: u32) -> BoxFuture<'_, Result<Vec<BlockHash>, ChainError>> {
        self.hash_run(from, count).boxed()
    }

    fn block(&self, hash: BlockHash) -> BoxFuture<'_, Result<Block, ChainError>> {
        self.whole_block(hash).boxed()
    }

    fn blocks(&self, hashes: Vec<BlockHash>) -> BoxFuture<'_, Result<Vec<Block>, ChainError>> {
        self.block_run(hashes).boxed()
    }
}

/// The hashes up to the first height above the tip.
fn block_hashes(replies: Vec<Reply<'_>>) -> Result<Vec<BlockHash>, ChainError> {
    let mut hashes = Vec::with_capacity(replies.len());
    for reply in replies {
        if let Err(error) = &reply
            && error.code == code::PARAMETER
        {
            break;
        }
        hashes.push(read("getblockhash", reply)?);
    }
    Ok(hashes)
}

fn header(hash: &BlockHash, reply: Reply<'_>) -> Result<Header, ChainError> {
    const METHOD: &str = "getblockheader";
    if let Err(error) = &reply
        && error.code == code::NOT_FOUND
    {
        return Err(ChainError::NotFound(format!("the header of block {hash}")));
    }
    let text: &str = read(METHOD, reply)?;
    let mut bytes = [0; HEADER_BYTES];
    hex::decode_to_slice(text, &mut bytes).map_err(|e| malformed(METHOD, e))?;
    Header::consensus_decode(&mut bytes.as_slice()).map_err(|e| malformed(METHOD, e))
}

fn block_of(hash: &BlockHash, reply: Reply<'_>) -> Result<Block, ChainError> {
    const METHOD: &str = "getblock";
    if let Err(error) = &reply {
        let absent = error.message.contains("not found") || error.message.contains("not available");
        match error.code {
            code::MISC if error.message.contains("pruned") => {
                return Err(ChainError::Pruned(*hash));
            }
            code::MISC | code::NOT_FOUND if absent => {
                let text = format!("block {hash} ({})", error.message);
                return Err(ChainError::NotFound(text));
            }
            _ => {}
        }
    }
    let text: &str = read(METHOD, reply)?;
    // Megabytes: digit by digit this would take longer than all that follows.
    let bytes = const_hex::decode(text).map_err(|e| malformed(METHOD, e))?;
    let block: Block = deserialize(&bytes).map_err(|e| malformed(METHOD, e))?;
    match block.block_hash() {
        got if got == *hash => Ok(block),
        got => Err(malformed(METHOD, format!("asked for block {hash}, got {got}"))),
    }
}

pub(crate) fn malformed(method: &str, reason: impl ToString) -> ChainError {
    ChainError::Malformed(format!("{method}: {}", reason.to_string()))
}
