//! Why a member does not sign a payment, for people and for the coordinator.

use bitcoin::hashes::Hash as _;
use bitcoin::{Amount, FeeRate, OutPoint, Script, ScriptBuf, Weight};
use trestle_wire::{
    Hash32,
    committee::{
        payment::OutPoint as WireOutPoint,
        sign::{Binding, RefusalCode},
    },
};

use super::Window;
use crate::ledger::Conflict;

/// The first rule that a proposal breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another transaction version.
    #[error("the transaction has version {got}, expected 2")]
    Version {
        /// Its version.
        got: i32,
    },
    /// Not yet final, or locked by time.
    #[error(
        "the locktime is {got}, expected a height of at most this node's tip {tip}: plan it at a height that all signers have"
    )]
    Locktime {
        /// Its locktime.
        got: u32,
        /// The member's height.
        tip: u32,
    },
    /// Another sequence.
    #[error("input {index} has sequence {got:#010x}, expected 0xfffffffd")]
    Sequence {
        /// Which input.
        index: usize,
        /// Its sequence.
        got: u32,
    },
    /// Too large.
    #[error("the transaction weighs {weight} once signed, at most {most} is allowed")]
    TooHeavy {
        /// Its weight.
        weight: Weight,
        /// The rule.
        most: Weight,
    },
    /// An output is not the recipient's.
    #[error("output {index} is not what the payment's recipient {index} is to get")]
    RecipientNotPaid {
        /// Which recipient.
        index: usize,
    },
    /// A recipient that is not on the list.
    #[error(
        "recipient {index} ({}) is not on this member's list: add it there if it is meant to be paid", short(.script)
    )]
    RecipientNotAllowed {
        /// Which recipient.
        index: usize,
        /// Its script.
        script: ScriptBuf,
    },
    /// Outputs that belong to nobody known.
    #[error(
        "the transaction has {got} outputs, at most {most} are allowed: the recipients and one change output"
    )]
    TooManyOutputs {
        /// Its outputs.
        got: usize,
        /// Recipients and one.
        most: usize,
    },
    /// Change that does not come back.
    #[error(
        "the last output pays {}, which is neither a recipient nor a script of this committee", short(.script)
    )]
    ChangeNotOurs {
        /// Its script.
        script: ScriptBuf,
    },
    /// An output that nodes do not relay.
    #[error("output {index} has {value}, less than the {least} below which nodes do not relay")]
    Dust {
        /// Which output.
        index: usize,
        /// Its amount.
        value: Amount,
        /// The least amount for its script.
        least: Amount,
    },
    /// A coin that the member's node does not have.
    #[error(
        "input {index} ({outpoint}) is not an unspent, confirmed coin by this member's own node, nor change of a payment it agreed to"
    )]
    UnknownCoin {
        /// Which input.
        index: usize,
        /// The coin.
        outpoint: OutPoint,
    },
    /// Too few confirmations.
    #[error("input {index} ({outpoint}) has {got} confirmations, {needed} are needed")]
    TooFresh {
        /// Which input.
        index: usize,
        /// The coin.
        outpoint: OutPoint,
        /// By the member's node.
        got: u32,
        /// By its rules.
        needed: u32,
    },
    /// A coin of somebody else.
    #[error("input {index} ({outpoint}) is not a coin of this committee's key")]
    InputNotOurs {
        /// Which input.
        index: usize,
        /// The coin.
        outpoint: OutPoint,
    },
    /// The anchor is unconfirmed change.
    #[error("the anchor {outpoint} is not confirmed: a payment must stand on a coin that exists")]
    AnchorUnconfirmed {
        /// The anchor.
        outpoint: OutPoint,
    },
    /// It spends change of the same payment.
    #[error(
        "input {index} ({outpoint}) is change of another version of the same payment: only one of them can confirm"
    )]
    OwnVersion {
        /// Which input.
        index: usize,
        /// The coin.
        outpoint: OutPoint,
    },
    /// It spends another payment's anchor.
    #[error(
        "input {index} ({outpoint}) is the anchor of payment {by}: no other payment may spend it"
    )]
    OthersAnchor {
        /// Which input.
        index: usize,
        /// The coin.
        outpoint: OutPoint,
        /// Whose anchor it is.
        by: Hash32,
    },
    /// Outputs exceed inputs.
    #[error("the outputs have {out}, but the inputs only {into} by this member's own node")]
    SpendsMoreThanItHas {
        /// By the member's node.
        into: Amount,
        /// In the proposal.
        out: Amount,
    },
    /// More to miners than allowed.
    #[error("the fee is {fee}, at most {most} is allowed")]
    FeeTooHigh {
        /// By the member's own amounts.
        fee: Amount,
        /// The rule.
        most: Amount,
    },
    /// A higher rate than allowed.
    #[error("the fee is {fee}, at most {most} is allowed for this size ({rate} sat/kwu)")]
    RateTooHigh {
        /// By the member's own amounts.
        fee: Amount,
        /// For this size.
        most: Amount,
        /// The rule.
        rate: FeeRate,
    },
    /// Too much for one payment.
    #[error("the payment moves {outflow} out (fee included), at most {most} is allowed")]
    PaymentTooHigh {
        /// Recipients and fee.
        outflow: Amount,
        /// The rule.
        most: Amount,
    },
    /// Too much in a while.
    #[error("{used} of {} are reserved in the last {} blocks, no room for {wanted}: wait, or raise this member's window", .window.amount, .window.blocks)]
    WindowFull {
        /// By other payments.
        used: Amount,
        /// By this one.
        wanted: Amount,
        /// The rule.
        window: Window,
    },
    /// Amounts that no chain can hold.
    #[error("the amounts add up to more than all bitcoin there can be")]
    Overflow,
    /// The spent outputs are not all known; the checks before this one exclude it.
    #[error("the spent outputs of only {inputs} inputs are known")]
    MissingView {
        /// How many.
        inputs: usize,
    },
    /// What the member agreed to before forbids it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

impl Refused {
    /// What the member has bound before, if that is the reason.
    pub fn binding(&self) -> Option<Binding> {
        let wire = |at: &OutPoint| WireOutPoint { txid: at.txid.to_byte_array(), vout: at.vout };
        if let Self::Conflict(Conflict::OtherAnchor { bound, .. }) = self {
            return Some(Binding::Anchor(wire(bound)));
        }
        let (Self::OthersAnchor { outpoint: coin, by, .. }
        | Self::Conflict(Conflict::AnchorTaken { anchor: coin, by })) = self
        else {
            return None;
        };
        Some(Binding::Coin { coin: wire(coin), payment: *by })
    }

    /// The class that the coordinator is told.
    pub const fn code(&self) -> RefusalCode {
        match self {
            Self::RecipientNotPaid { .. }
            | Self::TooManyOutputs { .. }
            | Self::SpendsMoreThanItHas { .. }
            | Self::Overflow => RefusalCode::Malformed,
            Self::Version { .. }
            | Self::Locktime { .. }
            | Self::Sequence { .. }
            | Self::TooHeavy { .. }
            | Self::RecipientNotAllowed { .. }
            | Self::ChangeNotOurs { .. }
            | Self::Dust { .. }
            | Self::UnknownCoin { .. }
            | Self::TooFresh { .. }
            | Self::InputNotOurs { .. }
            | Self::AnchorUnconfirmed { .. }
            | Self::OwnVersion { .. }
            | Self::OthersAnchor { .. }
            | Self::FeeTooHigh { .. }
            | Self::RateTooHigh { .. }
            | Self::PaymentTooHigh { .. }
            | Self::WindowFull { .. }
            | Self::MissingView { .. }
            | Self::Conflict(_) => RefusalCode::Policy,
        }
    }
}

/// A script in hexadecimal, cut to a length that fits the message to the coordinator: a proposal's
/// scripts may have 10,000 bytes, while those that can be allowed have 42 at most.
fn short(script: &Script) -> String {
    const MOST: usize = 42;
    match script.as_bytes().get(..MOST) {
        Some(head) => format!("{}…", hex::encode(head)),
        None => script.to_hex_string(),
    }
}
