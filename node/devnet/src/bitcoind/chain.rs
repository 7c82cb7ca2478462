//! Blocks, coins and reorganisations by command.
//!
//! Blocks are mined to a script that anyone can spend, P2WSH of `OP_TRUE`, so no wallet and
//! no key is needed to pay from them. What can be spent is asked of bitcoind each time;
//! nothing here is remembered that a reorganisation or a restart could make wrong.

use std::str::FromStr as _;

use bitcoin::absolute::LockTime;
use bitcoin::blockdata::script::Builder;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::opcodes::OP_TRUE;
use bitcoin::opcodes::all::OP_DROP;
use bitcoin::transaction::Version;
use bitcoin::{
    Address, Amount, BlockHash, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut,
    Txid, Witness,
};
use eyre::{Context as _, Result, bail, ensure, eyre};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Bitcoind;

/// Blocks after which a mined coin can be spent (`COINBASE_MATURITY`, plus its own).
const MATURE: u64 = 101;
/// Rounds of mining for one payment: each makes at least one more coin spendable.
const MINING_ROUNDS: usize = 50;
/// satoshi a virtual byte that payments of the harness offer: far over any relay minimum.
const FEE_RATE: u64 = 5;
/// Least value of a change output: over the dust limit of any script.
const LEAST_CHANGE: Amount = Amount::from_sat(1_000);
/// Blocks asked for in one call: bitcoind answers only when all are mined.
const MINED_PER_CALL: u64 = 500;

#[derive(Deserialize)]
struct Scan {
    unspents: Vec<Unspent>,
}

#[derive(Deserialize)]
struct Unspent {
    txid: Txid,
    vout: u32,
    #[serde(with = "bitcoin::amount::serde::as_btc")]
    amount: Amount,
    height: u64,
    coinbase: bool,
}

struct Coin {
    outpoint: OutPoint,
    amount: Amount,
}

impl Bitcoind {
    /// The address that blocks are mined to; anyone can spend from it.
    #[must_use]
    pub fn open_address() -> Address {
        Address::p2wsh(&open_script(), Network::Regtest)
    }

    /// An address nobody else mines to: two blocks on one parent, mined in one second, would
    /// otherwise be the same block, which bitcoind was just told is invalid.
    #[must_use]
    pub fn salted_address() -> Address {
        let script = Builder::new()
            .push_slice(rand::random::<[u8; 16]>())
            .push_opcode(OP_DROP)
            .push_opcode(OP_TRUE)
            .into_script();
        Address::p2wsh(&script, Network::Regtest)
    }

    /// Mines `blocks` blocks with what the mempool holds.
    ///
    /// # Errors
    /// When bitcoind refuses or does not answer.
    pub async fn mine(&self, blocks: u64) -> Result<Vec<BlockHash>> {
        self.mine_to(&Self::open_address(), blocks).await
    }

    /// As [`mine`](Self::mine), with the blocks' subsidy to `address`.
    ///
    /// # Errors
    /// When bitcoind refuses or does not answer.
    pub async fn mine_to(&self, address: &Address, blocks: u64) -> Result<Vec<BlockHash>> {
        let mut mined = Vec::new();
        let mut left = blocks;
        while left > 0 {
            let now = left.min(MINED_PER_CALL);
            let hashes = self.rpc("generatetoaddress", json!([now, address.to_string()])).await?;
            mined.extend(serde_json::from_value::<Vec<BlockHash>>(hashes)?);
            left -= now;
        }
        Ok(mined)
    }

    /// Height of the best block.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub async fn height(&self) -> Result<u64> {
        let height = self.rpc("getblockcount", json!([])).await?;
        height.as_u64().ok_or_else(|| eyre!("expected a height, got {height}"))
    }

    /// Hash of the best block.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub async fn tip(&self) -> Result<BlockHash> {
        Ok(serde_json::from_value(self.rpc("getbestblockhash", json!([])).await?)?)
    }

    /// Pays `sats` to `address` with output 0 of a transaction that waits in the mempool.
    ///
    /// Mines blocks where no coin can be spent yet: 101 on a fresh chain.
    ///
    /// # Errors
    /// When the chain cannot provide the sum, or bitcoind refuses.
    pub async fn fund(&self, address: &Address, sats: u64) -> Result<Txid> {
        self.fund_all(&[(address.script_pubkey(), Amount::from_sat(sats))]).await
    }

    /// Pays each of `recipients`, in order from output 0, in one transaction.
    ///
    /// # Errors
    /// As [`fund`](Self::fund).
    pub async fn fund_all(&self, recipients: &[(ScriptBuf, Amount)]) -> Result<Txid> {
        for _ in 0..MINING_ROUNDS {
            if let Some(payment) = plan(recipients, self.open_coins().await?)? {
                return self.broadcast(&payment).await;
            }
            let missing = MATURE.saturating_sub(self.height().await?).max(1);
            self.mine(missing).await?;
        }
        bail!("{MINING_ROUNDS} rounds of mining did not provide the sum; ask for less")
    }

    /// Hands `transaction` to the mempool.
    ///
    /// # Errors
    /// When bitcoind refuses it.
    pub async fn broadcast(&self, transaction: &Transaction) -> Result<Txid> {
        let txid = self.rpc("sendrawtransaction", json!([serialize_hex(transaction)])).await?;
        Ok(serde_json::from_value(txid)?)
    }

    /// A transaction from the mempool or, with the index, from any block.
    ///
    /// # Errors
    /// When bitcoind does not know it.
    pub async fn transaction(&self, txid: Txid) -> Result<Transaction> {
        let hex: String =
            serde_json::from_value(self.rpc("getrawtransaction", json!([txid])).await?)?;
        bitcoin::consensus::encode::deserialize_hex(&hex).wrap_err("cannot read a transaction")
    }

    /// Confirmations of a transaction; 0 while it waits in the mempool.
    ///
    /// # Errors
    /// When bitcoind does not know it.
    pub async fn confirmations(&self, txid: Txid) -> Result<u64> {
        let found = self.rpc("getrawtransaction", json!([txid, true])).await?;
        Ok(found.get("confirmations").and_then(Value::as_u64).unwrap_or(0))
    }

    /// Declares a block, and so all after it, invalid.
    ///
    /// # Errors
    /// When bitcoind does not know it.
    pub async fn invalidate(&self, block: BlockHash) -> Result<()> {
        self.rpc("invalidateblock", json!([block])).await?;
        Ok(())
    }

    /// Takes a declaration of [`invalidate`](Self::invalidate) back.
    ///
    /// # Errors
    /// When bitcoind does not know the block.
    pub async fn reconsider(&self, block: BlockHash) -> Result<()> {
        self.rpc("reconsiderblock", json!([block])).await?;
        Ok(())
    }

    /// Replaces the last `depth` blocks by `depth + 1` others that hold the same
    /// transactions again, from the first on. Gives the new blocks.
    ///
    /// # Errors
    /// When the chain is shorter, or bitcoind refuses.
    pub async fn reorg(&self, depth: u64) -> Result<Vec<BlockHash>> {
        self.undo(depth).await?;
        self.mine_to(&Self::salted_address(), depth + 1).await
    }

    /// As [`reorg`](Self::reorg) with empty blocks: the transactions of the lost blocks go
    /// back to the mempool and stay there.
    ///
    /// # Errors
    /// As [`reorg`](Self::reorg).
    pub async fn reorg_empty(&self, depth: u64) -> Result<Vec<BlockHash>> {
        self.undo(depth).await?;
        self.mine_empty_to(&Self::salted_address(), depth + 1).await
    }

    /// Mines `blocks` blocks that leave the mempool alone.
    ///
    /// # Errors
    /// When bitcoind refuses or does not answer.
    pub async fn mine_empty(&self, blocks: u64) -> Result<Vec<BlockHash>> {
        self.mine_empty_to(&Self::open_address(), blocks).await
    }

    async fn mine_empty_to(&self, address: &Address, blocks: u64) -> Result<Vec<BlockHash>> {
        let mut mined = Vec::new();
        for _ in 0..blocks {
            let block = self.rpc("generateblock", json!([address.to_string(), []])).await?;
            let hash = block.get("hash").and_then(Value::as_str).unwrap_or_default();
            mined.push(BlockHash::from_str(hash).wrap_err("expected the hash of a new block")?);
        }
        Ok(mined)
    }

    async fn undo(&self, depth: u64) -> Result<()> {
        let height = self.height().await?;
        ensure!(0 < depth && depth <= height, "cannot undo {depth} blocks of {height}");
        let first = self.rpc("getblockhash", json!([height - depth + 1])).await?;
        self.invalidate(serde_json::from_value(first)?).await
    }

    /// Coins of [`open_address`](Self::open_address) that a new transaction can spend,
    /// largest first.
    async fn open_coins(&self) -> Result<Vec<Coin>> {
        let height = self.height().await?;
        let script = format!("addr({})", Self::open_address());
        let scan = self.rpc("scantxoutset", json!(["start", [script]])).await?;
        let mut unspents = serde_json::from_value::<Scan>(scan)?.unspents;
        unspents.sort_by_key(|coin| (std::cmp::Reverse(coin.amount), coin.txid, coin.vout));
        let mut coins = Vec::new();
        for found in unspents {
            if found.coinbase && height < found.height + MATURE - 1 {
                continue;
            }
            // The scan does not look at the mempool; this does.
            let unspent = self.rpc("gettxout", json!([found.txid, found.vout, true])).await?;
            if !unspent.is_null() {
                let outpoint = OutPoint::new(found.txid, found.vout);
                coins.push(Coin { outpoint, amount: found.amount });
            }
        }
        Ok(coins)
    }
}

/// A signed payment of `recipients` from `coins`, or `None` where they do not suffice.
fn plan(recipients: &[(ScriptBuf, Amount)], coins: Vec<Coin>) -> Result<Option<Transaction>> {
    let total = recipients
        .iter()
        .try_fold(Amount::ZERO, |sum, (_, amount)| sum.checked_add(*amount))
        .ok_or_else(|| eyre!("the sum of the recipients is more than all bitcoin"))?;
    let mut payment = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: Vec::new(),
        output: recipients
            .iter()
            .map(|(script_pubkey, value)| TxOut {
                value: *value,
                script_pubkey: script_pubkey.clone(),
            })
            .collect(),
    };
    let change = payment.output.len();
    let script_pubkey = Bitcoind::open_address().script_pubkey();
    payment.output.push(TxOut { value: Amount::ZERO, script_pubkey });
    let mut gathered = Amount::ZERO;
    for coin in coins {
        payment.input.push(spend(coin.outpoint));
        gathered += coin.amount;
        let fee = Amount::from_sat(payment.vsize() as u64 * FEE_RATE);
        let left = gathered.checked_sub(total).and_then(|left| left.checked_sub(fee));
        if let Some(left) = left.filter(|left| *left >= LEAST_CHANGE) {
            payment.output[change].value = left;
            return Ok(Some(payment));
        }
    }
    Ok(None)
}

fn spend(previous_output: OutPoint) -> TxIn {
    TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::from_slice(&[open_script().as_bytes()]),
    }
}

fn open_script() -> ScriptBuf {
    Builder::new().push_opcode(OP_TRUE).into_script()
}
