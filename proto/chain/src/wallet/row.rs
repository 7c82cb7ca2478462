//! What the wallet stores and what it tells.

use bincode::{Decode, Encode};
use bitcoin::{Amount, OutPoint, TxOut, Txid};
use trestle_wire::Hash32;

use crate::stored::Stored;

/// The stored row of one coin, under its outpoint.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CoinRow {
    /// Amount and script.
    pub output: Stored<TxOut>,
    /// Height of the block that made it.
    pub height: u32,
    /// Whether a coinbase made it.
    pub coinbase: bool,
    /// Where it was spent, if it was.
    pub spent: Option<SpentAt>,
}

/// Where a coin was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SpentAt {
    /// Height of the block.
    pub height: u32,
    /// The transaction.
    pub txid: Stored<Txid>,
}

/// What one block changed, to be stored in one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The wallet's height after it.
    pub height: u32,
    /// The rows as they are now, in order of outpoint; `None` is a row to be removed.
    pub rows: Vec<(OutPoint, Option<CoinRow>)>,
    /// Coins of the committee that the block spends, in the block's order.
    pub spends: Vec<Spend>,
}

/// A coin of the committee was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    /// The coin.
    pub outpoint: OutPoint,
    /// The transaction that spends it.
    pub txid: Txid,
    /// Its block's height.
    pub height: u32,
    /// The payment that has the coin reserved: its anchor, or another input of a version.
    pub reserved_by: Option<Hash32>,
}

/// An unspent coin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub outpoint: OutPoint,
    /// Amount and script.
    pub output: TxOut,
    /// Its block's height; `None` while unconfirmed.
    pub height: Option<u32>,
    /// Whether it can be spent.
    pub state: CoinState,
}

/// Whether a coin can be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoinState {
    /// Yes.
    Spendable,
    /// Unconfirmed, or with too few confirmations.
    Pending,
    /// An unsettled payment spends it.
    Reserved,
    /// The operator set it aside.
    Frozen,
}

/// What the coins add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What a payment may use at once.
    pub spendable: Amount,
    /// Unconfirmed change and coins with too few confirmations.
    pub pending: Amount,
    /// Inputs of payments that are not over.
    pub reserved: Amount,
    /// Set aside by the operator.
    pub frozen: Amount,
}
