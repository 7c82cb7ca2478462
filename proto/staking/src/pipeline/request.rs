//! What is known of a request.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use bincode::{Decode, Encode};
use bitcoin::{Transaction, Txid, XOnlyPublicKey, secp256k1::schnorr::Signature};
use trestle_chain::Stored;
use trestle_wire::staking::UnbondingRefusal;

use super::{Effect, MemberKey, Order, Outlook, Standing};

/// One request to unbond.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    pub(super) order: Order,
    pub(super) standing: Standing,
    /// Of members, verified; at most a quorum.
    pub(super) signatures: BTreeMap<MemberKey, [u8; 64]>,
    /// At most one for each member.
    pub(super) complaints: BTreeMap<MemberKey, Complaint>,
    pub(super) signed: Option<Stored<Transaction>>,
    pub(super) outlook: Outlook,
    /// The parameters gave another transaction when the stake had moved.
    pub(super) dropped: bool,
}

/// What a member did instead of signing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Complaint {
    /// How many of its signatures did not verify.
    pub bad: u32,
    /// Why it refused, the last time.
    pub refused: Option<UnbondingRefusal>,
}

/// What is being done for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// The stake moved: is the request still right?
    Recheck,
    /// Members are asked.
    Collect,
    /// The quorum's signatures are put into a witness.
    Assemble,
    /// The transaction is sent.
    Broadcast,
}

/// Where a request is on its way, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Members are asked.
    Collecting,
    /// A quorum signed.
    Assembled,
    /// Sent, or about to be; our bitcoind does not have it.
    Broadcasting,
    /// In our mempool.
    InMempool,
    /// The fixed fee is below the mempool's minimum.
    Stuck,
    /// In a block, not deep enough.
    Mined,
    /// Deep in the chain.
    Confirmed,
    /// The stake is not in the chain: kept until it is.
    Waiting,
    /// The stake is at another height than when the request was checked.
    Rechecking,
    /// The lock ended first.
    Expired,
    /// Something else spent the stake.
    InputSpent,
    /// The staker has to sign again.
    Dropped,
}

impl Request {
    /// One that has just been accepted: the first thing to do is [`Request::work`].
    pub fn accept(order: Order) -> Self {
        let standing = Standing::Open { height: order.height };
        Self {
            order,
            standing,
            signatures: BTreeMap::new(),
            complaints: BTreeMap::new(),
            signed: None,
            outlook: Outlook::Unsent,
            dropped: false,
        }
    }

    /// What was asked for.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The unbonding transaction's id, which names the request.
    pub fn txid(&self) -> Txid {
        self.order.txid()
    }

    /// How its stake stands in the chain.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The finished transaction.
    pub fn signed(&self) -> Option<&Transaction> {
        self.signed.as_deref()
    }

    /// What became of the last broadcast.
    pub fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// Who signed, ascending.
    pub fn signers(&self) -> impl Iterator<Item = &MemberKey> {
        self.signatures.keys()
    }

    /// What members did instead of signing.
    pub fn complaints(&self) -> &BTreeMap<MemberKey, Complaint> {
        &self.complaints
    }

    /// The members that may still sign.
    pub fn unsigned(&self) -> impl Iterator<Item = &MemberKey> {
        self.order.members.iter().filter(|key| !self.signatures.contains_key(*key))
    }

    /// The members' signatures, as a witness takes them.
    ///
    /// # Errors
    /// Only if the row it was read from is damaged.
    pub fn signatures(
        &self,
    ) -> Result<BTreeMap<XOnlyPublicKey, Signature>, bitcoin::secp256k1::Error> {
        let parsed = self.signatures.iter().map(|(key, signature)| {
            Ok((XOnlyPublicKey::from_slice(key)?, Signature::from_slice(signature)?))
        });
        parsed.collect()
    }

    /// What is to be done now: what a restart begins with.
    pub fn work(&self) -> Option<Work> {
        let Standing::Open { height } = self.standing else { return None };
        if self.dropped {
            return None;
        }
        Some(if height != self.order.height {
            Work::Recheck
        } else if self.signed.is_some() {
            Work::Broadcast
        } else if self.has_quorum() {
            Work::Assemble
        } else {
            Work::Collect
        })
    }

    /// Whether something is to be done, or will be when the stake is in the chain again. A closed
    /// request may open again when the chain takes back what closed it.
    pub fn is_open(&self) -> bool {
        !self.dropped && matches!(self.standing, Standing::Open { .. } | Standing::Absent)
    }

    /// Where it is on its way.
    pub fn phase(&self) -> Phase {
        if self.dropped {
            return Phase::Dropped;
        }
        match self.standing {
            Standing::Absent => Phase::Waiting,
            Standing::Unbonded { .. } => Phase::Confirmed,
            Standing::Expired => Phase::Expired,
            Standing::Spent(_) => Phase::InputSpent,
            Standing::Open { .. } => match self.work() {
                Some(Work::Recheck) => Phase::Rechecking,
                Some(Work::Assemble) => Phase::Assembled,
                Some(Work::Broadcast) => match self.outlook {
                    Outlook::Mempool => Phase::InMempool,
                    Outlook::Mined => Phase::Mined,
                    Outlook::Stuck(_) => Phase::Stuck,
                    Outlook::Unsent
                    | Outlook::InputMissing
                    | Outlook::Conflict
                    | Outlook::Rejected(_) => Phase::Broadcasting,
                },
                Some(Work::Collect) | None => Phase::Collecting,
            },
        }
    }

    pub(super) fn has_quorum(&self) -> bool {
        u32::try_from(self.signatures.len()).is_ok_and(|held| held >= self.order.quorum)
    }

    pub(super) fn is_member(&self, key: &MemberKey) -> bool {
        self.order.members.binary_search(key).is_ok()
    }

    /// Members that gave a bad signature or refused, and have not signed since.
    pub fn reluctant(&self) -> BTreeSet<&MemberKey> {
        self.complaints.keys().filter(|key| !self.signatures.contains_key(*key)).collect()
    }
}

impl From<Work> for Effect {
    fn from(work: Work) -> Self {
        match work {
            Work::Recheck => Self::Recheck,
            Work::Collect => Self::Collect,
            Work::Assemble => Self::Assemble,
            Work::Broadcast => Self::Broadcast,
        }
    }
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Collecting,
        Self::Assembled,
        Self::Broadcasting,
        Self::InMempool,
        Self::Stuck,
        Self::Mined,
        Self::Confirmed,
        Self::Waiting,
        Self::Rechecking,
        Self::Expired,
        Self::InputSpent,
        Self::Dropped,
    ];

    /// A fixed word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Collecting => "collecting",
            Self::Assembled => "assembled",
            Self::Broadcasting => "broadcasting",
            Self::InMempool => "in_mempool",
            Self::Stuck => "stuck",
            Self::Mined => "mined",
            Self::Confirmed => "confirmed",
            Self::Waiting => "waiting",
            Self::Rechecking => "rechecking",
            Self::Expired => "expired",
            Self::InputSpent => "input_spent",
            Self::Dropped => "dropped",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
