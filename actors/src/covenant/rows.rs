//! What a member stores: the signatures that it gave.

use bitcoin::{Txid, hashes::Hash};
use trestle_store::{Table, table::Key};
use trestle_wire::committee::{Point, Signature};

/// One row for each unbonding ever signed; there is at most one a stake.
pub(super) const SIGNATURES: Table<SignatureKey, Signature> = Table::new("staking.signature", 1);

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SignatureKey {
    pub(super) staking: Txid,
    pub(super) unbonding: Txid,
    /// The covenant key.
    pub(super) key: Point,
}

impl Key for SignatureKey {
    fn to_key(&self) -> Vec<u8> {
        let (staking, unbonding) = (self.staking.to_byte_array(), self.unbonding.to_byte_array());
        [staking.as_slice(), &unbonding, &self.key].concat()
    }
    fn from_key(bytes: &[u8]) -> Option<Self> {
        let (staking, rest) = bytes.split_first_chunk::<32>()?;
        let (unbonding, key) = rest.split_first_chunk::<32>()?;
        Some(Self {
            staking: Txid::from_byte_array(*staking),
            unbonding: Txid::from_byte_array(*unbonding),
            key: key.try_into().ok()?,
        })
    }
}
