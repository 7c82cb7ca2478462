//! The shapes of requests and answers. Amounts are satoshis, hashes hexadecimal in the usual order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod convert;

/// The node itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeDto {
    /// Its p2p identity.
    pub peer: String,
    /// Its committee key, as the shared parameters list it.
    pub committee_key: String,
    /// Its roles.
    pub roles: Vec<String>,
    /// The Bitcoin network.
    pub network: String,
    /// Hash of the shared parameters; peers with another one are not talked to.
    pub params_hash: Option<String>,
    /// The software's version.
    pub version: String,
    /// Multiaddresses it listens on.
    pub listen: Vec<String>,
    /// Connected peers.
    pub peers: Vec<PeerDto>,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerDto {
    /// Its id.
    pub peer: String,
    /// The roles it says it has.
    pub roles: Vec<String>,
    /// Where it is connected, if that is known.
    pub address: Option<String>,
    /// Whether it is reached through a relay only.
    pub relayed: bool,
    /// Whether the shared parameters list it. With others nothing is compared.
    #[serde(default)]
    pub listed: bool,
    /// Whether both have compared parameters and agree, so that messages flow.
    pub agrees: bool,
}

/// Whether the node can do its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyDto {
    /// Whether every component is ready.
    pub ready: bool,
    /// Each component: `"ready"`, or why it is not.
    pub components: BTreeMap<String, String>,
}

/// A committee, as the shared parameters and this node have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommitteeDto {
    /// Its name.
    pub name: String,
    /// How it signs.
    pub scheme: String,
    /// Signers needed.
    pub threshold: u16,
    /// Its members.
    pub members: Vec<MemberDto>,
    /// Peers that may coordinate it.
    pub coordinators: Vec<String>,
    /// Whether two quorums always share an honest member (3t > 2n): only then can a lying
    /// coordinator with n-t lying members not get two versions of a payment signed.
    pub quorums_intersect_honestly: bool,
    /// What its coordinator knows; absent at other nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveDto>,
}

/// What only a coordinator knows of a committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LiveDto {
    /// Usable keys, latest last.
    pub keys: Vec<KeyDto>,
    /// Its money.
    pub wallet: WalletDto,
}

/// A member of a committee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberDto {
    /// Its index.
    pub index: u16,
    /// Its p2p identity.
    pub peer: String,
    /// Its committee key.
    pub key: String,
    /// What its coordinator knows of it; absent at other nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<MemberLiveDto>,
}

/// What only a coordinator knows of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberLiveDto {
    /// Whether it is connected, and answers.
    pub online: bool,
    /// The Bitcoin height it last reported.
    pub height: u32,
    /// Nonces of it that are ready.
    pub nonces: u32,
    /// Times it was caught misbehaving or failing.
    pub blamed: u64,
}

/// A usable key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyDto {
    /// `COMMITTEE/GENERATION.EPOCH`.
    pub key: String,
    /// The Taproot internal key.
    pub internal: String,
    /// Where to pay the committee.
    pub address: String,
    /// The height before which nothing can have been paid to it.
    pub birth: u32,
    /// Milliseconds from request to usable key, if this boot made it.
    pub took_ms: Option<u64>,
}

/// A committee's money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WalletDto {
    /// Height up to which blocks have been read.
    pub height: u32,
    /// Coins that a payment may use.
    pub spendable_sats: u64,
    /// Unconfirmed change, and coins with too few confirmations.
    pub pending_sats: u64,
    /// In payments that are not settled.
    pub reserved_sats: u64,
    /// Set aside by the operator.
    pub frozen_sats: u64,
    /// In coins that too many members have bound to another payment: `release` gets them back.
    pub bound_sats: u64,
    /// The coins.
    pub coins: Vec<CoinDto>,
}

/// A coin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoinDto {
    /// `TXID:VOUT`.
    pub outpoint: String,
    /// Its amount.
    pub sats: u64,
    /// Its block's height; absent while unconfirmed.
    pub height: Option<u32>,
    /// `spendable`, `pending`, `reserved`, `frozen` or `bound`.
    pub state: String,
}

/// A payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentDto {
    /// Its id.
    pub payment: String,
    /// The committee that pays.
    pub committee: String,
    /// The request's idempotency key.
    pub idempotency_key: String,
    /// Who gets how much.
    pub recipients: Vec<RecipientDto>,
    /// `waiting`, `signing`, `broadcast`, `confirmed`, `settled`, `failed`, `cancelled` or
    /// `used_before`.
    pub phase: String,
    /// The version in a block, once there is one; for `used_before` what spent the coin that the id
    /// was bound to.
    pub txid: Option<String>,
    /// That block's height.
    pub height: Option<u32>,
    /// The outpoint that every version spends, once planned.
    pub anchor: Option<String>,
    /// The signed versions, latest last.
    pub versions: Vec<VersionDto>,
    /// Milliseconds from request to the first version's final witness, if this boot made it.
    pub sign_ms: Option<u64>,
    /// What it waits for, or why it failed.
    pub note: Option<String>,
    /// What of a repeated request was not done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// One output of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecipientDto {
    /// The address.
    pub address: String,
    /// The amount.
    pub sats: u64,
}

/// A signed version of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionDto {
    /// Its id.
    pub txid: String,
    /// What it pays to miners.
    pub fee_sats: u64,
    /// The transaction in hexadecimal.
    pub transaction: String,
}

/// A text signed as BIP-322 (simple) says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedTextDto {
    /// Whose signature it is.
    pub address: String,
    /// The witness, base64.
    pub signature: String,
}

/// A payment to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayBody {
    /// 1 to 64 printable ASCII characters. The same request under the same key is one payment.
    pub idempotency_key: String,
    /// Who gets how much.
    pub recipients: Vec<RecipientDto>,
    /// A rate to begin with, in satoshis for 1,000 virtual bytes; without it bitcoind is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_rate_sat_per_kvb: Option<u64>,
}

/// A coin to be had back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseBody {
    /// A rate to begin with, in satoshis for 1,000 virtual bytes; without it bitcoind is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_rate_sat_per_kvb: Option<u64>,
}

/// A text to be signed; exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignBody {
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The bytes in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

/// Where to read blocks from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RescanBody {
    /// The first height.
    pub height: u32,
}

/// The request was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoneDto {
    /// Always true.
    pub ok: bool,
}
