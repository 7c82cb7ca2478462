//! The actors of a node, and the ports through which they reach the world.
//!
//! Always holds: one task owns an actor's state; state is stored before anything that follows from
//! it is done; nothing here knows libp2p, SQL, HTTP or the operating system.

pub mod committee;
pub mod coordinator;
pub mod covenant;
pub mod follower;
pub mod ports;
pub mod runtime;
pub mod staking;
pub mod vault;
