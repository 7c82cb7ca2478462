//! The queues.

/// A queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// Stakes.
    Active,
    /// Unbondings.
    Unbonding,
    /// Withdrawals.
    Withdraw,
    /// Ends of timelocks.
    Expired,
    /// Changes of sums.
    Stats,
    /// Locked value at the tip.
    BtcInfo,
    /// Locked value at the last confirmed block.
    ConfirmedInfo,
}

impl Queue {
    /// All of them, by `event_type`.
    pub const ALL: [Self; 7] = [
        Self::Active,
        Self::Unbonding,
        Self::Withdraw,
        Self::Expired,
        Self::Stats,
        Self::BtcInfo,
        Self::ConfirmedInfo,
    ];

    /// Its name at the broker.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active_staking_queue",
            Self::Unbonding => "unbonding_staking_queue",
            Self::Withdraw => "withdraw_staking_queue",
            Self::Expired => "expired_staking_queue",
            Self::Stats => "staking_stats_queue",
            Self::BtcInfo => "btc_info_queue",
            Self::ConfirmedInfo => "confirmed_info_queue",
        }
    }

    /// The `event_type` of its bodies.
    #[must_use]
    pub const fn event_type(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Unbonding => 2,
            Self::Withdraw => 3,
            Self::Expired => 4,
            Self::Stats => 5,
            Self::BtcInfo => 6,
            Self::ConfirmedInfo => 7,
        }
    }
}
