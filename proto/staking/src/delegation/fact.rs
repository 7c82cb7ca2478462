//! What the chain can show of a delegation.

use bincode::{Decode, Encode};
use bitcoin::{Txid, XOnlyPublicKey};
use trestle_chain::Stored;

use crate::expiry::{Output, Timelock};

/// A staker's x-only key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct StakerKey(pub [u8; 32]);

/// A finality provider's x-only key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct ProviderKey(pub [u8; 32]);

impl From<XOnlyPublicKey> for StakerKey {
    fn from(key: XOnlyPublicKey) -> Self {
        Self(key.serialize())
    }
}

impl From<XOnlyPublicKey> for ProviderKey {
    fn from(key: XOnlyPublicKey) -> Self {
        Self(key.serialize())
    }
}

/// A staking output in a block that is deep enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ConfirmedStake {
    /// The block's height.
    pub height: u32,
    /// The output's place in its transaction.
    pub output_index: u32,
    /// Its value in sat.
    pub value: u64,
    /// Its relative timelock in blocks.
    pub timelock: u16,
    /// Who can withdraw it.
    pub staker: StakerKey,
    /// Who it is delegated to.
    pub provider: ProviderKey,
    /// Whether it came after the cap was reached. Decided once, by its place in the chain.
    pub overflow: bool,
}

impl ConfirmedStake {
    /// When its output can be withdrawn without unbonding.
    pub const fn timelock(&self) -> Timelock {
        Timelock { height: self.height, blocks: self.timelock }
    }
}

/// An unbonding transaction in a block that is deep enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Unbonding {
    /// Its id.
    pub txid: Stored<Txid>,
    /// The block's height.
    pub height: u32,
    /// The relative timelock of its output in blocks.
    pub timelock: u16,
    /// Whether it has the one form that members sign (version 2). Consensus takes others too.
    pub standard: bool,
}

impl Unbonding {
    /// When its output can be withdrawn.
    pub const fn timelock(&self) -> Timelock {
        Timelock { height: self.height, blocks: self.timelock }
    }
}

/// A transaction that spends an output, in a block that is deep enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Spender {
    /// Its id.
    pub txid: Stored<Txid>,
    /// The block's height.
    pub height: u32,
}

/// How an output left the delegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Leaving {
    /// Through its timelock, by the staker.
    Withdrawn,
    /// Through its slashing path.
    Slashed,
    /// In a way that fits no path: an unbonding with a wrong output or more inputs, for example.
    Otherwise,
}

/// A spend after which nothing of the delegation is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exit {
    /// How.
    pub how: Leaving,
    /// By what.
    pub by: Spender,
}

/// What spent the staking output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) enum StakeSpend {
    /// Its unbonding.
    Unbonding(Unbonding),
    /// Anything else.
    Exit(Exit),
}

impl StakeSpend {
    pub(super) const fn spender(&self) -> Spender {
        match self {
            Self::Unbonding(unbonding) => {
                Spender { txid: unbonding.txid, height: unbonding.height }
            }
            Self::Exit(exit) => exit.by,
        }
    }
}

/// Everything that is held of one delegation. A fact whose base is missing is *early*: kept, and
/// without effect until the base comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Facts {
    pub(super) stake: Option<ConfirmedStake>,
    /// The unbonding transaction that the staker asked to have signed.
    pub(super) request: Option<Stored<Txid>>,
    /// The tip at which the staking output became spendable.
    pub(super) expired: Option<u32>,
    pub(super) spend: Option<StakeSpend>,
    /// The tip at which the unbonding output became spendable.
    pub(super) matured: Option<u32>,
    /// What spent the unbonding output.
    pub(super) end: Option<Exit>,
}

impl Facts {
    /// The unbonding, early or not.
    pub(super) const fn unbonding(&self) -> Option<Unbonding> {
        match self.spend {
            Some(StakeSpend::Unbonding(unbonding)) => Some(unbonding),
            Some(StakeSpend::Exit(_)) | None => None,
        }
    }

    /// The timelocks that are in the chain and not known to have ended.
    pub(super) fn running(&self) -> impl Iterator<Item = (Output, Timelock)> {
        let stake = self.stake.filter(|_| self.expired.is_none());
        let unbonding = self.stake.and(self.unbonding()).filter(|_| self.matured.is_none());
        let stake = stake.map(|stake| (Output::Staking, stake.timelock()));
        stake.into_iter().chain(unbonding.map(|u| (Output::Unbonding, u.timelock())))
    }
}
