//! What the coordinator tells people about its committees. Plain data: `node` gives it a shape in
//! JSON and tables.

use bitcoin::{Address, Amount, FeeRate, OutPoint, Transaction, Txid, XOnlyPublicKey};
use trestle_wire::{Hash32, KeyRef, Peer, committee::Signature};

/// One committee as this coordinator sees it.
#[derive(Clone, Debug)]
pub struct CommitteeView {
    /// Its name.
    pub name: String,
    /// Signers needed.
    pub threshold: u16,
    /// The members.
    pub members: Vec<MemberView>,
    /// Usable keys, latest last.
    pub keys: Vec<KeyView>,
    /// Whether two quorums always share an honest member (3t > 2n).
    pub quorums_intersect_honestly: bool,
    /// The wallet behind the committee's addresses.
    pub wallet: WalletView,
}

/// One member as this coordinator sees it.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Its index.
    pub index: u16,
    /// Its p2p identity.
    pub peer: Peer,
    /// Whether it is connected, and answers.
    pub online: bool,
    /// The Bitcoin height it last reported.
    pub height: u32,
    /// Nonces of it that are ready, for the latest key.
    pub nonces: u32,
    /// Times it was caught giving wrong shares, equivocating or failing a session.
    pub blamed: u64,
}

/// One usable key.
#[derive(Clone, Debug)]
pub struct KeyView {
    /// Which key.
    pub key: KeyRef,
    /// The Taproot internal key.
    pub internal: XOnlyPublicKey,
    /// Where to pay the committee.
    pub address: Address,
    /// The height before which nothing can have been paid to it.
    pub birth: u32,
    /// Milliseconds from the request to the usable key; `None` if this boot did not make it.
    pub took_ms: Option<u64>,
}

/// The committee's money.
#[derive(Clone, Debug, Default)]
pub struct WalletView {
    /// Height up to which blocks have been read.
    pub height: u32,
    /// Coins that a payment may use.
    pub spendable: Amount,
    /// In unconfirmed change and coins with too few confirmations.
    pub pending: Amount,
    /// In payments that are not settled.
    pub reserved: Amount,
    /// Set aside by the operator.
    pub frozen: Amount,
    /// In coins that too many members have bound to another payment.
    pub bound: Amount,
    /// The coins.
    pub coins: Vec<CoinView>,
}

/// One coin of the committee.
#[derive(Clone, Debug)]
pub struct CoinView {
    /// Where it is.
    pub outpoint: OutPoint,
    /// How much.
    pub value: Amount,
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
    /// So many members have bound it to another payment that too few are left to spend it, except
    /// for a release.
    Bound,
}

/// A payment to be made.
#[derive(Clone, Debug)]
pub struct PayRequest {
    /// The committee that pays.
    pub committee: String,
    /// The same request sent twice is one payment; another request under the same key is refused.
    pub idempotency_key: String,
    /// Who gets how much.
    pub recipients: Vec<(Address, Amount)>,
    /// A rate to begin with; `None` asks bitcoind.
    pub fee_rate: Option<FeeRate>,
}

/// A payment as it stands.
#[derive(Clone, Debug)]
pub struct PaymentView {
    /// The payment's id.
    pub payment: Hash32,
    /// The committee that pays.
    pub committee: String,
    /// The request's idempotency key.
    pub idempotency_key: String,
    /// Who gets how much.
    pub recipients: Vec<(Address, Amount)>,
    /// Where it is on its way.
    pub phase: PaymentPhase,
    /// The outpoint that every version spends; `None` while nothing is planned.
    pub anchor: Option<OutPoint>,
    /// The signed versions, latest last.
    pub versions: Vec<VersionView>,
    /// Milliseconds from request to the first version's final witness, if one boot saw both.
    pub sign_ms: Option<u64>,
    /// What it waits for, or why it failed, for people.
    pub note: Option<String>,
    /// What of the request that this answers was not done, for people.
    pub notice: Option<String>,
}

/// One signed version of a payment.
#[derive(Clone, Debug)]
pub struct VersionView {
    /// Its id.
    pub txid: Txid,
    /// What it pays to miners.
    pub fee: Amount,
    /// The transaction.
    pub transaction: Transaction,
}

/// Where a payment is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentPhase {
    /// Accepted; waits for coins, for a key or for members.
    Waiting,
    /// A signing session is under way.
    Signing,
    /// Sent, not in a block.
    Broadcast,
    /// In a block at this height.
    Confirmed {
        /// Which version.
        txid: Txid,
        /// The block's height.
        height: u32,
    },
    /// So deep that it counts as final.
    Settled {
        /// Which version.
        txid: Txid,
        /// The block's height.
        height: u32,
    },
    /// Its anchor was spent by something else, deep: it can never confirm.
    Failed,
    /// The operator gave it up before a version was signed.
    Cancelled,
    /// Its id was used before this coordinator knew of it, and the coin bound to it then is spent.
    UsedBefore {
        /// What spent it.
        txid: Txid,
        /// That transaction's height.
        height: u32,
        /// Whether that pays exactly the recipients.
        pays: bool,
    },
}

/// A text signed as BIP-322 (simple) says.
#[derive(Clone, Debug)]
pub struct SignedText {
    /// Whose signature it is.
    pub address: Address,
    /// The witness, base64.
    pub signature: String,
}

/// A raw threshold signature, for those who verify it themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSignature(pub Signature);
