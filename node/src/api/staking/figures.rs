//! Shapes that go beyond what the network's clients know: the known fields first, ours beside them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dto::{DelegationDto, OverallStatsDto};

/// All stakes together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatsDto {
    /// The figures that clients know.
    #[serde(flatten)]
    pub known: OverallStatsDto,
    /// Figures that also fall when a lock ends or an output is spent.
    pub honest: HonestDto,
    /// The height of the last block gone through; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub btc_height: Option<u32>,
    /// The height of the last block that counts; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_height: Option<u32>,
}

/// What is really locked. The known figures fall by a confirmed unbonding and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HonestDto {
    /// Value of confirmed stakes under the cap that are neither unbonded, expired nor spent.
    pub locked_tvl: u64,
    /// Their number.
    pub locked_delegations: u64,
    /// Stakers with something locked, under the cap or above it.
    pub locked_stakers: u64,
    /// Value of confirmed stakes above the cap that are neither unbonded, expired nor spent.
    pub overflow_tvl: u64,
    /// Their number.
    pub overflow_delegations: u64,
    /// As `locked_tvl`, with what is in blocks that are not confirmed yet.
    pub tip_locked_tvl: u64,
    /// What the cap is compared with: stakes of all blocks under the cap, less unbondings.
    pub chain_tvl: u64,
}

/// A stake, and how far a request to unbond it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DelegationViewDto {
    /// The fields that clients know.
    #[serde(flatten)]
    pub delegation: DelegationDto,
    /// How far the request is, if there is one. One that was dropped is shown until there is
    /// another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unbonding_request: Option<UnbondingProgressDto>,
}

/// How far a request to unbond is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnbondingProgressDto {
    /// The unbonding transaction.
    pub unbonding_tx_hash_hex: String,
    /// `collecting`, `assembled`, `broadcasting`, `in_mempool`, `stuck`, `mined`, `confirmed`,
    /// `waiting`, `rechecking`, `expired`, `input_spent` or `dropped`.
    pub phase: String,
    /// Signatures of the covenant there are.
    pub signatures: u32,
    /// Signatures that are needed.
    pub quorum: u32,
    /// While stuck: what the transaction pays, in satoshis for 1,000 virtual bytes. Its fee is
    /// fixed by the parameters, so it is sent again until the mempool takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_rate_sat_per_kvb: Option<u64>,
    /// While stuck: what the mempool takes at the least, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_fee_rate_sat_per_kvb: Option<u64>,
    /// What it waits for, or why it has ended without its transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Something happened. New kinds may come: skip what you do not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StakingEventDto {
    /// Its number, from 1 without a gap, the same for ever.
    pub number: u64,
    /// `active`, `unbonding`, `withdraw`, `expired`, `slashed`, `spent_otherwise`, `btc_info` or
    /// `confirmed_info`.
    pub kind: String,
    /// Whether it was told before and is not true any more, after a reorganisation.
    pub reverted: bool,
    /// The staking transaction, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staking_tx_hash_hex: Option<String>,
    /// The height it is about: of the transaction's block, or of the tip.
    pub height: u32,
    /// The height of the tip when it was told.
    pub tip_height: u32,
    /// What consumers of the broker get for it.
    pub messages: Vec<EventMessageDto>,
}

/// A message as the broker carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventMessageDto {
    /// The queue's name.
    pub queue: String,
    /// The same for every time that it is sent.
    pub message_id: String,
    /// The body.
    #[schema(value_type = Object)]
    pub body: serde_json::Value,
}
