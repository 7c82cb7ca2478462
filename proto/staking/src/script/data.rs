//! The OP_RETURN of a staking transaction: 73 bytes.
//!
//! | offset | length | content |
//! |---|---|---|
//! | 0 | 1 | 0x6a, OP_RETURN |
//! | 1 | 1 | 0x47, push of 71 bytes |
//! | 2 | 4 | tag |
//! | 6 | 1 | version, 0 |
//! | 7 | 32 | staker's x-only key |
//! | 39 | 32 | finality provider's x-only key |
//! | 71 | 2 | staking time, big-endian |
//!
//! The phase-1 indexer takes any null-data script of 73 bytes, so also `6a 4c 46 …` and
//! `6a 4d 45 00 …`, and reads their length bytes as the tag. Here byte 1 must be 0x47: no builder
//! makes the others, and with a tag that does not begin with 0x46 or 0x45 they are no stakes there
//! either. (What remains: such a script with two valid keys beside a good one makes the indexer
//! refuse the transaction, and not this code.)

use bitcoin::{Script, ScriptBuf, XOnlyPublicKey, opcodes::all::OP_RETURN};

use crate::Tag;

/// The length of the script.
pub const DATA_LEN: usize = 73;
/// A direct push of the 71 bytes behind it.
const PUSH: u8 = 0x47;
/// The only version of the payload.
const VERSION: u8 = 0;

/// What the OP_RETURN says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StakingData {
    /// Whose staking this is; parameters name one.
    pub tag: Tag,
    /// Who gets the stake back.
    pub staker: XOnlyPublicKey,
    /// Whom it is delegated to.
    pub finality_provider: XOnlyPublicKey,
    /// The lock, in blocks.
    pub time: u16,
}

impl StakingData {
    /// The script.
    pub fn to_script(&self) -> ScriptBuf {
        let mut bytes = Vec::with_capacity(DATA_LEN);
        bytes.extend([OP_RETURN.to_u8(), PUSH]);
        bytes.extend(self.tag.0);
        bytes.push(VERSION);
        bytes.extend(self.staker.serialize());
        bytes.extend(self.finality_provider.serialize());
        bytes.extend(self.time.to_be_bytes());
        ScriptBuf::from_bytes(bytes)
    }

    /// What a script says, whatever its tag. `None` if it has another form or version, or a key is
    /// no x coordinate of the curve.
    pub fn parse(script: &Script) -> Option<Self> {
        Self::parse_with(script, |bytes| XOnlyPublicKey::from_slice(bytes).ok())
    }

    /// As [`StakingData::parse`], with another way to get at the provider's key.
    pub(crate) fn parse_with(
        script: &Script,
        provider: impl FnOnce(&[u8; 32]) -> Option<XOnlyPublicKey>,
    ) -> Option<Self> {
        let bytes = payload(script)?;
        Some(Self {
            tag: Tag([bytes[2], bytes[3], bytes[4], bytes[5]]),
            staker: XOnlyPublicKey::from_slice(&bytes[7..39]).ok()?,
            finality_provider: provider(bytes[39..71].try_into().ok()?)?,
            time: u16::from_be_bytes([bytes[71], bytes[72]]),
        })
    }
}

/// What the OP_RETURN says, with keys that may be none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawData<'s> {
    pub(crate) tag: Tag,
    pub(crate) staker: &'s [u8; 32],
    pub(crate) finality_provider: &'s [u8; 32],
    pub(crate) time: u16,
}

impl<'s> RawData<'s> {
    /// `None` if form or version is another.
    pub(crate) fn parse(script: &'s Script) -> Option<Self> {
        let bytes = payload(script)?;
        Some(Self {
            tag: Tag([bytes[2], bytes[3], bytes[4], bytes[5]]),
            staker: bytes[7..39].try_into().ok()?,
            finality_provider: bytes[39..71].try_into().ok()?,
            time: u16::from_be_bytes([bytes[71], bytes[72]]),
        })
    }
}

/// The script's bytes if form and version fit; keys are not looked at.
fn payload(script: &Script) -> Option<&[u8; DATA_LEN]> {
    let bytes: &[u8; DATA_LEN] = script.as_bytes().try_into().ok()?;
    (bytes[0] == OP_RETURN.to_u8() && bytes[1] == PUSH && bytes[6] == VERSION).then_some(bytes)
}

/// The tag, if form and version fit.
pub(crate) fn tag_of(script: &Script) -> Option<Tag> {
    payload(script).map(|bytes| Tag([bytes[2], bytes[3], bytes[4], bytes[5]]))
}
