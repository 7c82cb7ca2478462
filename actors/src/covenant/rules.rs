//! What a member demands of an unbonding, in the order that clients know.

use trestle_staking::{
    GlobalParams,
    tx::{RequestFault, Unbonding, check_request, presigned_form},
};
use trestle_wire::staking::UnbondingRefusal;

use super::order::Order;

/// What the checks go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The last height whose stakes are signed for; `u32::MAX` for all.
    pub max_staking_height: u32,
    /// The height of this member's index.
    pub tip: u32,
    /// The height of its bitcoind.
    pub best: u32,
}

impl Rules {
    /// What is not in the index yet may be in a block that it has not seen.
    fn not_yet(&self, why: UnbondingRefusal) -> UnbondingRefusal {
        if self.tip < self.best { UnbondingRefusal::Chain } else { why }
    }
}

/// Checks an unbonding:
///
/// 1. the transaction has the form of one that is signed ahead;
/// 2. a valid stake of the named transaction is in the chain, with the named script if one is;
/// 3. it is not above the last height that is signed for;
/// 4. the key, all 33 bytes, is in the committee of the stake's version of the parameters;
/// 5. the stake is as deep as that version demands;
/// 6. the transaction spends the stake's output;
/// 7. into exactly the output that the version demands;
/// 8. the staker signed it.
///
/// That the staking transaction is well formed, with the version's tag, and value and time in range,
/// is what the index stored it for. Where 2 or 5 fails and the index is behind bitcoind, it is
/// [`UnbondingRefusal::Chain`]: to be asked again.
///
/// # Errors
/// [`UnbondingRefusal`], the first that applies.
pub fn check<'p>(
    global: &'p GlobalParams,
    rules: &Rules,
    order: &Order,
) -> Result<Unbonding<'p>, UnbondingRefusal> {
    let Order { wanted, row } = order;
    presigned_form(&wanted.transaction).map_err(|_| UnbondingRefusal::Form)?;
    let unknown = || rules.not_yet(UnbondingRefusal::UnknownStake);
    let row = row.as_ref().ok_or_else(unknown)?;
    let found = row.stake(wanted.staking).zip(row.delegation.stake());
    let (stake, confirmed) = found.ok_or_else(unknown)?;
    // A version that was once in force is never taken out of the parameters.
    let params = global.version(row.version).ok_or(UnbondingRefusal::Chain)?;
    if let Some(script) = &wanted.script {
        let output = stake.tx_out(params).map_err(|_| UnbondingRefusal::UnknownStake)?;
        if output.script_pubkey != *script {
            return Err(UnbondingRefusal::UnknownStake);
        }
    }
    if confirmed.height > rules.max_staking_height {
        return Err(UnbondingRefusal::Retired);
    }
    if !params.covenant_pks.contains(&wanted.key) {
        return Err(UnbondingRefusal::NotAMember);
    }
    let confirmations = (u64::from(rules.tip) + 1).saturating_sub(confirmed.height.into());
    if confirmations < u64::from(params.confirmation_depth) {
        return Err(rules.not_yet(UnbondingRefusal::Unconfirmed));
    }
    check_request(&wanted.transaction, None, &stake, params, &wanted.staker).map_err(refusal)
}

fn refusal(fault: RequestFault) -> UnbondingRefusal {
    match fault {
        RequestFault::Form(_) | RequestFault::Txid { .. } => UnbondingRefusal::Form,
        RequestFault::PrevTxid(_) | RequestFault::PrevIndex { .. } => UnbondingRefusal::Input,
        RequestFault::Unbondable(_) | RequestFault::Value { .. } | RequestFault::Script => {
            UnbondingRefusal::Output
        }
        RequestFault::Signature => UnbondingRefusal::StakerSignature,
    }
}
