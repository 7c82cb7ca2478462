//! One event.

use bincode::{Decode, Encode};
use bitcoin::{BlockHash, Txid, XOnlyPublicKey, hashes::Hash};
use trestle_chain::Stored;
use trestle_staking::{
    delegation::{ConfirmedStake, Exit, Fact, Leaving, Notice, Unbonding},
    events::{
        ActiveStaking, BtcInfo, ConfirmedInfo, Event, ExpiredStaking, MessageId, StakingStats,
        StatsState, UnbondingStaking, WithdrawStaking, message_id,
    },
};

use crate::ports::EventMessage;

/// Most events that are stored in one row.
pub const EVENTS_A_ROW: usize = 64;
/// Bytes of transactions after which a row takes no more events: what a reader gets with the event
/// that it wants stays small.
const BYTES_A_ROW: usize = 16 << 10;

/// Events on their way into rows: what happens in a run is stored together, since a row costs more
/// than an event in it.
#[derive(Debug, Default)]
pub(in crate::staking) struct Gathered {
    events: Vec<EventRow>,
    bytes: usize,
}

impl Gathered {
    /// Adds an event; gives the row if it is full with it.
    pub(in crate::staking) fn add(&mut self, event: EventRow) -> Option<Vec<EventRow>> {
        self.bytes = self.bytes.saturating_add(event.what.bytes());
        self.events.push(event);
        let full = self.events.len() >= EVENTS_A_ROW || self.bytes >= BYTES_A_ROW;
        full.then(|| self.take()).flatten()
    }

    /// What is left, if anything.
    pub(in crate::staking) fn take(&mut self) -> Option<Vec<EventRow>> {
        let Self { events, .. } = std::mem::take(self);
        (!events.is_empty()).then_some(events)
    }
}

/// One event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EventRow {
    /// The height of the tip when it was told.
    pub tip: u32,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum What {
    /// Something about a delegation.
    Delegation {
        /// Its staking transaction.
        txid: Stored<Txid>,
        /// What.
        notice: Notice,
        /// The stake that it is about.
        stake: ConfirmedStake,
        /// The staking or unbonding transaction that the news is about, as serialized; empty for
        /// other news and for what is reverted.
        tx: Vec<u8>,
        /// The time in the header of that transaction's block, in seconds since 1970.
        timestamp: u32,
    },
    /// The locked value, at a new tip.
    Tip {
        /// The block's hash, in internal order.
        block: [u8; 32],
        /// Its height.
        height: u32,
        /// Active satoshis in confirmed blocks.
        confirmed_tvl: u64,
        /// The same up to the tip, the cap ignored.
        unconfirmed_tvl: u64,
    },
    /// The locked value, at a newly confirmed block.
    Confirmed {
        /// The tip's hash, in internal order.
        block: [u8; 32],
        /// The height of the confirmed block.
        height: u32,
        /// Active satoshis up to it.
        tvl: u64,
    },
}

impl What {
    /// Of what can be large.
    const fn bytes(&self) -> usize {
        match self {
            Self::Delegation { tx, .. } => tx.len(),
            Self::Tip { .. } | Self::Confirmed { .. } => 0,
        }
    }
}

/// An event for people and programs: what the stream of the API is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventView {
    /// `active`, `unbonding`, `withdraw`, `expired`, `slashed`, `spent_otherwise`, `btc_info` or
    /// `confirmed_info`.
    pub kind: &'static str,
    /// Whether it was told before and is not true any more.
    pub reverted: bool,
    /// The staking transaction, where it is about one.
    pub txid: Option<Txid>,
    /// The height that it is about: of the transaction's block, or of the tip.
    pub height: u32,
    /// What the broker's consumers get, in this order. Nothing for what is reverted, slashed or
    /// spent otherwise: their queues have no form for it.
    pub events: Vec<(MessageId, Event)>,
}

impl EventRow {
    /// For people and programs.
    pub fn view(&self) -> EventView {
        match &self.what {
            What::Delegation { txid, notice, stake, tx, timestamp } => {
                let (reverted, fact) = match notice {
                    Notice::Happened(fact) => (false, fact),
                    Notice::Reverted(fact) => (true, fact),
                };
                let about = About { txid: **txid, stake, tx, timestamp: *timestamp };
                let events = if reverted { Vec::new() } else { about.events(fact) };
                let (kind, height) = (word(fact), height(fact));
                EventView { kind, reverted, txid: Some(**txid), height, events }
            }
            What::Tip { block, height, confirmed_tvl, unconfirmed_tvl } => {
                let (confirmed_tvl, unconfirmed_tvl) = (*confirmed_tvl, *unconfirmed_tvl);
                let info = BtcInfo { height: (*height).into(), confirmed_tvl, unconfirmed_tvl };
                let id = info.message_id(BlockHash::from_byte_array(*block));
                of_block("btc_info", *height, id, Event::BtcInfo(info))
            }
            What::Confirmed { block, height, tvl } => {
                let info = ConfirmedInfo { height: (*height).into(), tvl: *tvl };
                let id = info.message_id(BlockHash::from_byte_array(*block));
                of_block("confirmed_info", *height, id, Event::ConfirmedInfo(info))
            }
        }
    }

    /// What the broker gets.
    pub fn messages(&self) -> Vec<EventMessage> {
        let events = self.view().events;
        events.into_iter().map(|(id, event)| EventMessage::new(id, &event)).collect()
    }
}

fn of_block(kind: &'static str, height: u32, id: MessageId, event: Event) -> EventView {
    EventView { kind, reverted: false, txid: None, height, events: vec![(id, event)] }
}

struct About<'a> {
    txid: Txid,
    stake: &'a ConfirmedStake,
    tx: &'a [u8],
    timestamp: u32,
}

impl About<'_> {
    fn events(&self, fact: &Fact) -> Vec<(MessageId, Event)> {
        let events = match fact {
            Fact::Staked(stake) => vec![self.active(stake), self.stats(StatsState::Active)],
            Fact::Expired { output, .. } => vec![Some(Event::Expired(ExpiredStaking {
                staking_tx_hash_hex: self.txid,
                tx_type: *output,
            }))],
            Fact::Unbonded(unbonding) => {
                vec![Some(self.unbonding(unbonding)), self.stats(StatsState::Unbonded)]
            }
            Fact::Left { exit: Exit { how: Leaving::Withdrawn, .. }, .. } => {
                vec![Some(Event::Withdraw(WithdrawStaking {
                    staking_tx_hash_hex: self.txid,
                    tx: None,
                }))]
            }
            Fact::Left {
                exit: Exit { how: Leaving::Slashed | Leaving::Otherwise, .. }, ..
            } => Vec::new(),
        };
        let named = |event: Event| Some((message_id(self.txid, event.kind()?), event));
        events.into_iter().flatten().filter_map(named).collect()
    }

    fn keys(&self) -> Option<(XOnlyPublicKey, XOnlyPublicKey)> {
        let staker = XOnlyPublicKey::from_slice(&self.stake.staker.0).ok()?;
        Some((staker, XOnlyPublicKey::from_slice(&self.stake.provider.0).ok()?))
    }

    /// `None` only for a damaged row: a stake's keys were checked when it was identified.
    fn active(&self, stake: &ConfirmedStake) -> Option<Event> {
        let (staker_pk_hex, finality_provider_pk_hex) = self.keys()?;
        Some(Event::Active(ActiveStaking {
            staking_tx_hash_hex: self.txid,
            staker_pk_hex,
            finality_provider_pk_hex,
            staking_value: stake.value,
            staking_start_height: stake.height.into(),
            staking_start_timestamp: self.timestamp.into(),
            staking_timelock: stake.timelock.into(),
            staking_output_index: stake.output_index.into(),
            staking_tx_hex: hex::encode(self.tx),
            is_overflow: stake.overflow,
        }))
    }

    fn unbonding(&self, unbonding: &Unbonding) -> Event {
        Event::Unbonding(UnbondingStaking {
            staking_tx_hash_hex: self.txid,
            unbonding_start_height: unbonding.height.into(),
            unbonding_start_timestamp: self.timestamp.into(),
            unbonding_timelock: unbonding.timelock.into(),
            unbonding_output_index: 0,
            unbonding_tx_hex: hex::encode(self.tx),
            unbonding_tx_hash_hex: *unbonding.txid,
        })
    }

    fn stats(&self, state: StatsState) -> Option<Event> {
        let (staker_pk_hex, finality_provider_pk_hex) = self.keys()?;
        Some(Event::Stats(StakingStats {
            staking_tx_hash_hex: self.txid,
            staker_pk_hex,
            finality_provider_pk_hex,
            staking_value: self.stake.value,
            state,
            is_overflow: self.stake.overflow,
        }))
    }
}

const fn word(fact: &Fact) -> &'static str {
    match fact {
        Fact::Staked(_) => "active",
        Fact::Unbonded(_) => "unbonding",
        Fact::Expired { .. } => "expired",
        Fact::Left { exit, .. } => match exit.how {
            Leaving::Withdrawn => "withdraw",
            Leaving::Slashed => "slashed",
            Leaving::Otherwise => "spent_otherwise",
        },
    }
}

/// The height that a fact is about.
pub(in crate::staking) const fn height(fact: &Fact) -> u32 {
    match fact {
        Fact::Staked(stake) => stake.height,
        Fact::Unbonded(unbonding) => unbonding.height,
        Fact::Expired { at, .. } => *at,
        Fact::Left { exit, .. } => exit.by.height,
    }
}
