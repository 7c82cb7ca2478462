//! Whether a member's own rules allow what it is asked to sign, and the hashes it would sign.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{Amount, FeeRate, OutPoint, ScriptBuf};
use trestle_chain::{
    bip322,
    ledger::Ledger,
    mock,
    policy::{self, Approval, Proposal, Recipients, Rules, SeenCoin, View, Window},
};
use trestle_wire::{
    KeyRef,
    committee::sign::{Purpose, RefusalCode},
};

use crate::ports::{ChainError, chain::CoinView};

/// What this member allows, from its own config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who may be paid.
    pub recipients: RecipientRule,
    /// The most that one version of a payment may pay to miners.
    pub max_fee: Amount,
    /// The highest rate.
    pub max_fee_rate: FeeRate,
    /// The most that one payment may move out, fee included.
    pub max_payment: Amount,
    /// The most that may move out in so many blocks.
    pub window: Window,
    /// Blocks on top of a coin before it is spent, counting its own.
    pub min_confirmations: u32,
    /// Texts may be signed that begin with one of these; none by default.
    pub text_prefixes: Vec<String>,
}

/// Who may be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientRule {
    /// Anyone: the caps are all that limits a lying coordinator.
    Any,
    /// Only these scripts.
    Only(BTreeSet<ScriptBuf>),
}

/// Why a member does not sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: RefusalCode,
    pub(crate) detail: String,
}

impl Refused {
    pub(crate) fn new(code: RefusalCode, detail: impl ToString) -> Self {
        // The wire allows 400 bytes.
        let detail: String = detail.to_string().chars().take(130).collect();
        Self { code, detail }
    }

    pub(crate) fn chain(error: &ChainError) -> Self {
        Self::new(RefusalCode::Chain, error)
    }
}

/// What a purpose comes down to.
pub(crate) enum Judged {
    /// Nothing to remember but the signature.
    Plain(Vec<[u8; 32]>),
    /// A payment to be bound and reserved.
    Payment(Box<Approval>),
}

impl Judged {
    /// The hashes to be signed.
    pub(crate) fn sighashes(&self) -> &[[u8; 32]] {
        match self {
            Self::Plain(sighashes) => sighashes,
            Self::Payment(approval) => &approval.sighashes,
        }
    }
}

impl Policy {
    /// Judges a key proof or a text. `script` is the key's own.
    pub(crate) fn judge_plain(
        &self,
        key: &KeyRef,
        script: &ScriptBuf,
        purpose: &Purpose,
    ) -> Option<Result<Judged, Refused>> {
        match purpose {
            Purpose::KeyProof => Some(Ok(Judged::Plain(vec![mock::sighash(key, script)]))),
            Purpose::Text(text) => Some(self.judge_text(script, text)),
            Purpose::Payment(_) => None,
        }
    }

    fn judge_text(&self, script: &ScriptBuf, text: &[u8]) -> Result<Judged, Refused> {
        let allowed = self.text_prefixes.iter().any(|prefix| text.starts_with(prefix.as_bytes()));
        if !allowed {
            let detail =
                "this member signs no text that begins so: see text_prefixes in its config";
            return Err(Refused::new(RefusalCode::Policy, detail));
        }
        Ok(Judged::Plain(vec![bip322::sighash(script, text)]))
    }

    /// Judges a payment against this member's own view of its inputs.
    pub(crate) fn judge_payment(
        &self,
        scripts: BTreeSet<ScriptBuf>,
        own: &ScriptBuf,
        proposal: &Proposal,
        seen: &CoinView,
        ledger: &Ledger,
    ) -> Result<Judged, Refused> {
        let rules = self.rules(scripts, own);
        policy::judge(proposal, &view(proposal, seen), &rules, ledger)
            .map(|approval| Judged::Payment(Box::new(approval)))
            .map_err(|refused| Refused::new(RefusalCode::Policy, refused))
    }

    fn rules(&self, change: BTreeSet<ScriptBuf>, own: &ScriptBuf) -> Rules {
        let mut rules = Rules::new(BTreeSet::from([own.clone()]));
        // Change may go to any key of the committee, so that a payment can also move to a new one.
        rules.change_scripts = change;
        rules.recipients = match &self.recipients {
            RecipientRule::Any => Recipients::Any,
            RecipientRule::Only(scripts) => Recipients::Only(scripts.clone()),
        };
        rules.max_fee = self.max_fee;
        rules.max_fee_rate = self.max_fee_rate;
        rules.max_payment = self.max_payment;
        rules.window = self.window;
        rules.min_confirmations = self.min_confirmations;
        rules
    }
}

fn view(proposal: &Proposal, seen: &CoinView) -> View {
    let coins = proposal.outpoints().into_iter().zip(&seen.coins);
    let coins = coins.filter_map(|(outpoint, coin)| Some((outpoint, coin.as_ref()?)));
    let coins: BTreeMap<OutPoint, SeenCoin> = coins
        .map(|(outpoint, coin)| {
            let output = bitcoin::TxOut { value: coin.value, script_pubkey: coin.script.clone() };
            let (confirmations, coinbase) = (coin.confirmations, coin.coinbase);
            (outpoint, SeenCoin { output, confirmations, coinbase })
        })
        .collect();
    View { tip: seen.tip.height, coins }
}
