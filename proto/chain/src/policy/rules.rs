//! What a member knows and what it allows.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{Amount, FeeRate, OutPoint, Script, ScriptBuf, TxOut, Weight};

use crate::{confirm, weight};

/// What the member's own node said, as of one tip and without the mempool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Its height.
    pub tip: u32,
    /// The unspent, confirmed coins among the inputs. What is spent, unconfirmed or unknown is
    /// missing.
    pub coins: BTreeMap<OutPoint, SeenCoin>,
}

/// A coin in the member's own UTXO set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCoin {
    /// Its amount and script.
    pub output: TxOut,
    /// Blocks on top of it, counting its own.
    pub confirmations: u32,
    /// Whether a coinbase made it.
    pub coinbase: bool,
}

/// What one member allows. Each member has its own; a coordinator stays below the strictest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Scripts whose coins the key in question can spend, derived by the member.
    pub input_scripts: BTreeSet<ScriptBuf>,
    /// Scripts that change may go to, derived by the member.
    pub change_scripts: BTreeSet<ScriptBuf>,
    /// Who may be paid.
    pub recipients: Recipients,
    /// The most that one version may pay to miners.
    pub max_fee: Amount,
    /// And at which rate.
    pub max_fee_rate: FeeRate,
    /// The most that one payment may move out, fee included.
    pub max_payment: Amount,
    /// The most that all payments together may move out in a while.
    pub window: Window,
    /// Confirmations that an input needs; a coinbase needs 100 in any case.
    pub min_confirmations: u32,
    /// Weight once signed; more than 400,000 is refused whatever this says.
    pub max_weight: Weight,
}

/// Who may be paid. The committee's own change scripts are always allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Anybody, within the amounts.
    Any,
    /// Only these.
    Only(BTreeSet<ScriptBuf>),
}

/// A rolling limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many blocks back from the member's tip reservations count.
    pub blocks: u32,
    /// The most that they may add up to.
    pub amount: Amount,
}

impl Rules {
    /// Rules that allow payments to anybody, with the limits a new committee starts with:
    /// 1 BTC a payment, 2 BTC in 144 blocks, 0.001 BTC and 500 sat/vB to miners.
    pub fn new(scripts: BTreeSet<ScriptBuf>) -> Self {
        Self {
            input_scripts: scripts.clone(),
            change_scripts: scripts,
            recipients: Recipients::Any,
            max_fee: Amount::from_sat(100_000),
            max_fee_rate: FeeRate::from_sat_per_vb_u32(500),
            max_payment: Amount::from_sat(100_000_000),
            window: Window { blocks: 144, amount: Amount::from_sat(200_000_000) },
            min_confirmations: 1,
            max_weight: weight::MAX_STANDARD,
        }
    }

    pub(super) fn may_receive(&self, script: &Script) -> bool {
        match &self.recipients {
            Recipients::Any => true,
            Recipients::Only(allowed) => {
                allowed.contains(script) || self.change_scripts.contains(script)
            }
        }
    }

    /// Whether all of these outputs are the committee's own, so that only change can come after them
    /// and nothing but the fee leaves.
    pub(super) fn are_own(&self, recipients: &[TxOut]) -> bool {
        recipients.iter().all(|output| self.change_scripts.contains(&output.script_pubkey))
    }

    pub(super) fn needed_confirmations(&self, coinbase: bool) -> u32 {
        // An unconfirmed coin is never in the view; 1 is the least that makes sense.
        let least = self.min_confirmations.max(1);
        if coinbase { least.max(confirm::COINBASE) } else { least }
    }
}
