//! One relative timelock, and the heights that follow from it.

use std::ops::{RangeFrom, RangeToInclusive};

use bincode::{Decode, Encode};

/// Which of a delegation's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Output {
    /// Of the staking transaction.
    Staking,
    /// Of the unbonding transaction.
    Unbonding,
}

impl Output {
    /// The `tx_type` of the reference services' expiry event.
    pub const fn tx_type(self) -> &'static str {
        match self {
            Self::Staking => "active",
            Self::Unbonding => "unbonding",
        }
    }
}

/// A relative timelock of a number of blocks on an output in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Timelock {
    /// The height of the block with the output.
    pub height: u32,
    /// The number of blocks: what BIP 68 keeps in the 16 low bits of a sequence.
    pub blocks: u16,
}

impl Timelock {
    /// The first block that may hold a spend (BIP 68: a block's height has to be above
    /// `height + blocks - 1`).
    pub const fn first_block(self) -> u32 {
        self.height.saturating_add(self.blocks as u32)
    }

    /// The lowest tip at which a spend is valid in the next block. Never below the output's own
    /// block: without that there is nothing confirmed to spend.
    pub const fn spendable_at(self) -> u32 {
        self.height.saturating_add((self.blocks as u32).saturating_sub(1))
    }

    /// The tip at which the reference services take the output for expired.
    pub const fn expires_at(self) -> u32 {
        self.first_block()
    }

    /// Whether a spend would be valid in the block after `tip`.
    pub const fn is_spendable(self, tip: u32) -> bool {
        self.spendable_at() <= tip
    }

    /// Whether a spend is valid in a block of that height.
    pub const fn allows_in(self, block: u32) -> bool {
        self.first_block() <= block
    }

    /// Blocks that still have to come before a spend is accepted; 0 if it is now.
    pub const fn blocks_left(self, tip: u32) -> u32 {
        self.spendable_at().saturating_sub(tip)
    }

    /// The values of [`Timelock::spendable_at`] that are due at `tip`. The range has no lower end:
    /// an output can be confirmed after it became spendable, where its timelock is shorter than
    /// the confirmation depth, and a node can have been down.
    pub const fn due(tip: u32) -> RangeToInclusive<u32> {
        ..=tip
    }

    /// The values of [`Timelock::spendable_at`] that are due no more once the block at `height`
    /// has left the chain.
    pub const fn undue(height: u32) -> RangeFrom<u32> {
        height..
    }
}
