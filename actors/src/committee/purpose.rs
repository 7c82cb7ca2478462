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
    committee::sign::{Binding, MAX_DETAIL, Purpose, RefusalCode},
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
    pub(crate) binding: Option<Binding>,
}

impl Refused {
    pub(crate) fn new(code: RefusalCode, detail: impl ToString) -> Self {
        Self { code, detail: shortened(detail.to_string(), MAX_DETAIL), binding: None }
    }

    fn policy(refused: &policy::Refused) -> Self {
        let binding = refused.binding();
        Self { binding, ..Self::new(RefusalCode::Policy, refused) }
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
            .map_err(|refused| Refused::policy(&refused))
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

/// A text of at most so many bytes, cut after a word.
fn shortened(mut text: String, most: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= most {
        return text;
    }
    let mut end = most.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // A text without a space in it is cut where it must be.
    end = text[..end].rfind(' ').unwrap_or(end);
    text.truncate(end);
    text.push_str(MARK);
    text
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

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::{OutPoint, Txid, hashes::Hash};
    use trestle_chain::ledger::Conflict;
    use trestle_wire::Hash32;

    use super::*;

    #[test]
    fn detail__should_be_cut_after_a_word() {
        assert_eq!(shortened("one two".into(), 7), "one two");
        assert_eq!(shortened("one two three".into(), 12), "one two…");
        assert_eq!(shortened("öööööö".into(), 8), "öö…");
        let long = Refused::new(RefusalCode::Policy, "word ".repeat(200));
        assert!(long.detail.len() <= MAX_DETAIL && long.detail.ends_with("word…"), "{long:?}");
    }

    #[test]
    fn detail__should_have_room_for_two_outpoints() {
        let at = |byte| OutPoint { txid: Txid::from_byte_array([byte; 32]), vout: u32::MAX };
        let (bound, got, payment) = (at(0xAA), at(0xBB), Hash32([0xCC; 32]));
        let refused = policy::Refused::from(Conflict::OtherAnchor { payment, bound, got });
        let told = Refused::policy(&refused);
        assert_eq!(told.detail, refused.to_string(), "nothing is cut");
        assert!(matches!(told.binding, Some(Binding::Anchor(anchor)) if anchor.txid == [0xAA; 32]));
    }
}
