//! A payment as a coordinator proposes it to members.

use bincode::{Decode, Encode};

use crate::{
    codec::{DecodeError, at_most},
    primitives::Hash32,
};

/// Bytes of the largest standard transaction without witnesses.
pub const MAX_TRANSACTION: usize = 100_000;
/// Most recipients of one payment.
pub const MAX_RECIPIENTS: usize = 1_000;

/// One version of one payment. All versions of a payment have the same `payment`, `anchor` and
/// `recipients`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PaymentProposal {
    /// Names the payment; made by the coordinator from the request's idempotency key.
    pub payment: Hash32,
    /// The outpoint that every version spends.
    pub anchor: OutPoint,
    /// Who is to get how much, in the order of the outputs.
    pub recipients: Vec<Recipient>,
    /// The unsigned transaction, consensus-encoded.
    pub transaction: Vec<u8>,
}

/// A transaction output by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct OutPoint {
    /// The txid, in its internal (little-endian) byte order.
    pub txid: [u8; 32],
    /// The output's number.
    pub vout: u32,
}

/// One output that the payment exists for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Recipient {
    /// The scriptPubKey.
    pub script: Vec<u8>,
    /// The amount in satoshis.
    pub sats: u64,
}

impl PaymentProposal {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        at_most("transaction", self.transaction.len(), MAX_TRANSACTION)?;
        at_most("recipients", self.recipients.len(), MAX_RECIPIENTS)?;
        self.recipients.iter().try_for_each(|r| at_most("script", r.script.len(), 10_000))
    }
}
