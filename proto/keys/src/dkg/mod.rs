//! Distributed key generation of a FROST committee, in the two machines that take part.
//!
//! ```text
//! coordinator        member i
//!  DkgBegin      ─▶
//!                ◀─  DkgRound1        signed package
//!  DkgRound1Set  ─▶
//!                ◀─  DkgEcho          signature over all packages
//!  DkgEchoSet    ─▶                   n equal echoes, or nothing further happens
//!                ◀─  DkgRound2        shares, each sealed to its owner and signed
//!  DkgRound2Set  ─▶
//!                ◀─  DkgCertificate   only once the share is stored
//!  (proof)                            threshold signature over a mock transaction
//!  KeyReady      ─▶                   n certificates and the proof: usable
//! ```
//!
//! FROST needs round 1 to be a consistent broadcast. Without one, a member that shows different
//! packages to different members spoils the key and leaves another member to take the blame; the
//! echo is what rules that out. The coordinator carries every message: it can delay or withhold,
//! not forge.

pub mod coordinator;
pub mod everyone;
pub mod member;
pub mod report;
pub mod secrets;

#[cfg(test)]
mod tests;
