//! Building, checking and finishing the transactions of a stake's life.
//!
//! staking → unbonding (staker and committee) → withdrawal, or staking → withdrawal after the
//! lock; slashing from either output. Each exists as a bare transaction and as a PSBT for wallets.
//!
//! Always holds: what is finished here satisfies its scripts: every signature was verified, and a
//! quorum's witness has exactly as many as the script counts.

mod presigned;
mod psbt;
mod request;
mod slashing;
mod spend;
mod staking;
mod unbonding;
mod withdrawal;
mod witness;

pub use presigned::{NotPresigned, presigned_form};
pub use psbt::{member_psbt, signature_of};
pub use request::{RequestFault, check_request};
pub use slashing::{SlashError, SlashPlan, Slashing};
pub use spend::{Spend, SpentLeaf};
pub use staking::{Funding, StakeError, StakePlan};
pub use unbonding::{Unbonding, UnbondingError};
pub use withdrawal::{WithdrawError, Withdrawable, Withdrawal};
pub use witness::{WitnessError, quorum_stack};
