//! The seven bodies. The names of fields are the format; `schema_version` and `event_type` are
//! added by [`Event`](super::Event).

use bitcoin::{Txid, XOnlyPublicKey};
use serde::{Deserialize, Serialize};

use crate::expiry::Output;

/// A stake is confirmed. Schema 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveStaking {
    /// The staking transaction.
    pub staking_tx_hash_hex: Txid,
    /// Who gets it back.
    pub staker_pk_hex: XOnlyPublicKey,
    /// Whom it is delegated to.
    pub finality_provider_pk_hex: XOnlyPublicKey,
    /// What is locked, in satoshis.
    pub staking_value: u64,
    /// The height of its block.
    pub staking_start_height: u64,
    /// The time in the header of its block, in seconds since 1970.
    pub staking_start_timestamp: i64,
    /// The lock, in blocks.
    pub staking_timelock: u64,
    /// Which output.
    pub staking_output_index: u64,
    /// The whole transaction, in hexadecimal.
    pub staking_tx_hex: String,
    /// Whether it came after the cap was full.
    pub is_overflow: bool,
}

/// An unbonding is confirmed. Schema 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnbondingStaking {
    /// The staking transaction.
    pub staking_tx_hash_hex: Txid,
    /// The height of the unbonding's block.
    pub unbonding_start_height: u64,
    /// The time in the header of that block, in seconds since 1970.
    pub unbonding_start_timestamp: i64,
    /// The lock, in blocks.
    pub unbonding_timelock: u64,
    /// Which output of the unbonding transaction: always 0.
    pub unbonding_output_index: u64,
    /// The whole unbonding transaction, in hexadecimal.
    pub unbonding_tx_hex: String,
    /// The unbonding transaction.
    pub unbonding_tx_hash_hex: Txid,
}

/// A staking or unbonding output is withdrawn. One for each that a transaction spends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawStaking {
    /// The staking transaction.
    pub staking_tx_hash_hex: Txid,
    /// What withdrew it. With it the schema is 1; without it 0, as the reference indexer sends.
    #[serde(flatten)]
    pub tx: Option<WithdrawTx>,
}

/// What later readers also take of a withdrawal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawTx {
    /// The withdrawing transaction.
    pub withdraw_tx_hash_hex: Txid,
    /// The height of its block.
    pub withdraw_tx_btc_height: u64,
    /// The whole of it, in hexadecimal.
    pub withdraw_tx_hex: String,
}

/// A timelock has ended. Schema 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiredStaking {
    /// The staking transaction.
    pub staking_tx_hash_hex: Txid,
    /// Whose timelock: `active` for the stake's, `unbonding` for the unbonding's.
    #[serde(with = "expired_output")]
    pub tx_type: Output,
}

/// The sums of active stakes change by one stake. Schema 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StakingStats {
    /// The staking transaction.
    pub staking_tx_hash_hex: Txid,
    /// Who gets it back.
    pub staker_pk_hex: XOnlyPublicKey,
    /// Whom it is delegated to.
    pub finality_provider_pk_hex: XOnlyPublicKey,
    /// What is locked, in satoshis.
    pub staking_value: u64,
    /// Whether it comes or goes.
    pub state: StatsState,
    /// Whether it came after the cap was full, and so never counts.
    pub is_overflow: bool,
}

/// Whether a stake is added to the sums or taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatsState {
    /// Added.
    Active,
    /// Taken out.
    Unbonded,
}

/// The locked value, at a new tip. Schema 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BtcInfo {
    /// The height of the tip.
    pub height: u64,
    /// Active satoshis in confirmed blocks.
    pub confirmed_tvl: u64,
    /// Active satoshis up to the tip.
    pub unconfirmed_tvl: u64,
}

/// The locked value, at a newly confirmed block. Schema 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmedInfo {
    /// The height of the block.
    pub height: u64,
    /// Active satoshis up to it.
    pub tvl: u64,
}

mod expired_output {
    //! The words of `tx_type`.

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::expiry::Output;

    pub(super) fn serialize<S: Serializer>(output: &Output, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(output.tx_type())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Output, D::Error> {
        let word = String::deserialize(from)?;
        let known = [Output::Staking, Output::Unbonding];
        known.into_iter().find(|output| output.tx_type() == word).ok_or_else(|| {
            D::Error::custom(format!("expected tx_type \"active\" or \"unbonding\", got {word:?}"))
        })
    }
}
