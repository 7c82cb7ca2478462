//! Requests and answers of the staking API, as its clients know them. Amounts are satoshis, hashes
//! hexadecimal in the usual order, keys 32 bytes in hexadecimal, times RFC 3339 in UTC.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What every successful request answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Envelope<T> {
    /// The answer.
    pub data: T,
    /// Where the next page begins, for lists that have pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagination: Option<PaginationDto>,
}

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaginationDto {
    /// The `pagination_key` of the next page; empty on the last.
    pub next_key: String,
}

/// What every failed request answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FaultDto {
    /// A fixed word, for example `NOT_FOUND`.
    #[serde(rename = "errorCode")]
    pub error_code: String,
    /// What is wrong, for people.
    pub message: String,
}

/// A stake and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DelegationDto {
    /// The staking transaction's id.
    pub staking_tx_hash_hex: String,
    /// The staker's key.
    pub staker_pk_hex: String,
    /// The finality provider's key.
    pub finality_provider_pk_hex: String,
    /// `active`, `unbonding_requested`, `unbonding`, `unbonded`, `withdrawn`, `slashed` or
    /// `spent_otherwise`.
    pub state: String,
    /// What is locked.
    pub staking_value: u64,
    /// The staking transaction.
    pub staking_tx: LockDto,
    /// The unbonding transaction, once it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unbonding_tx: Option<LockDto>,
    /// Whether it came after the cap was reached.
    pub is_overflow: bool,
}

/// A confirmed transaction with an output that is locked for some blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockDto {
    /// All of it.
    pub tx_hex: String,
    /// The output.
    pub output_index: u32,
    /// The time in its block's header.
    pub start_timestamp: String,
    /// Its block's height.
    pub start_height: u64,
    /// The lock, in blocks.
    pub timelock: u64,
}

/// A request to end a lock early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnbondingRequestDto {
    /// The staking transaction's id.
    pub staking_tx_hash_hex: String,
    /// The unbonding transaction's id.
    pub unbonding_tx_hash_hex: String,
    /// The unbonding transaction.
    pub unbonding_tx_hex: String,
    /// The staker's 64-byte signature for it.
    pub staker_signed_signature_hex: String,
}

/// A finality provider and what is delegated to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FinalityProviderDto {
    /// What it says about itself; empty for one that is not registered.
    pub description: DescriptionDto,
    /// Its share of rewards, a decimal fraction.
    pub commission: String,
    /// Its key.
    pub btc_pk: String,
    /// Value of its stakes that count now.
    pub active_tvl: u64,
    /// Value of all stakes that ever counted.
    pub total_tvl: u64,
    /// Number of stakes that count now.
    pub active_delegations: u64,
    /// Number of all stakes that ever counted.
    pub total_delegations: u64,
}

/// What a finality provider says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DescriptionDto {
    /// Its name.
    pub moniker: String,
    /// A fingerprint at an identity service.
    pub identity: String,
    /// Where to read more.
    pub website: String,
    /// Whom to write to.
    pub security_contact: String,
    /// Anything else.
    pub details: String,
}

/// All stakes together. Overflow stakes count in none of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverallStatsDto {
    /// Value of the confirmed stakes that count now.
    pub active_tvl: u64,
    /// Value of all confirmed stakes that ever counted.
    pub total_tvl: u64,
    /// Number of stakes that count now.
    pub active_delegations: u64,
    /// Number of all stakes that ever counted.
    pub total_delegations: u64,
    /// Number of keys that ever staked.
    pub total_stakers: u64,
    /// The active value with what is in blocks that are not confirmed yet.
    pub unconfirmed_tvl: u64,
    /// What those blocks add; negative where they take away.
    pub pending_tvl: i64,
}

/// The stakes of one staker. Overflow stakes count in none of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StakerStatsDto {
    /// The staker's key.
    pub staker_pk_hex: String,
    /// Value of its stakes that count now.
    pub active_tvl: u64,
    /// Value of all its stakes that ever counted.
    pub total_tvl: u64,
    /// Number of its stakes that count now.
    pub active_delegations: u64,
    /// Number of all its stakes that ever counted.
    pub total_delegations: u64,
}
