//! The life of one stake as it stands on the chain, a request to unbond it, and a registry.

use std::{error::Error, path::Path};

use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, consensus::serialize};
use trestle_fuzz::{MEMBERS, PROVIDER, STAKER, funding, keypair, params, plan, sign, stake};
use trestle_staking::tx::{SlashPlan, Slashing, Unbonding, Withdrawable, Withdrawal};

use super::write;

/// One event each, as the target reads them: stake at height 1 with a lock of 5, request, unbonding
/// at 3 with a lock of 2, its end, its withdrawal, and a reorganisation to 3.
const EVENTS: [[u8; 8]; 6] = [
    [0, 0, 1, 1, 5, 0, 0, 0],
    [1, 1, 0, 1, 0, 0, 0, 0],
    [3, 1, 3, 1, 2, 4, 0, 0],
    [4, 0, 4, 1, 0, 0, 0, 0],
    [5, 2, 6, 1, 0, 0, 0, 0],
    [7, 0, 3, 1, 0, 0, 0, 0],
];

pub(super) fn write_all(corpus: &Path) -> Result<(), Box<dyn Error>> {
    let unbonding = unbonding()?;
    let transactions = [
        ("staking", plan().transaction(&params(), &funding())?),
        ("unbonding", unbonding.clone()),
        ("slashing", slashing()?),
        ("withdrawal", withdrawal(&unbonding)?),
    ];
    for (name, transaction) in &transactions {
        write(corpus, "staking_transaction", name, &serialize(transaction))?;
    }
    write(corpus, "staking_request", "good", &request()?)?;
    write(corpus, "staking_delegation", "life", EVENTS.as_flattened())?;
    write(corpus, "staking_providers", "two", registry().as_bytes())
}

fn unbonding() -> Result<Transaction, Box<dyn Error>> {
    let (stake, params) = (stake(), params());
    let unbonding = Unbonding::new(&stake, &params)?;
    let hash = unbonding.sighash();
    Ok(unbonding.finish(&sign(STAKER, hash), &members(hash))?)
}

fn slashing() -> Result<Transaction, Box<dyn Error>> {
    let params = params();
    let part = Amount::from_sat(5_000);
    let plan = SlashPlan { to: ScriptBuf::new(), slashed: part, fee: part, change_time: 20 };
    let slashing = Slashing::of_stake(&stake(), &params, &plan)?;
    let hash = slashing.sighash();
    Ok(slashing.finish(&sign(STAKER, hash), &sign(PROVIDER, hash), &members(hash))?)
}

/// Of the stake and of its unbonding: on a chain it can only be one of them.
fn withdrawal(unbonding: &Transaction) -> Result<Transaction, Box<dyn Error>> {
    let (stake, params) = (stake(), params());
    let outpoint = OutPoint { txid: unbonding.compute_txid(), vout: 0 };
    let value = unbonding.output[0].value;
    let from = vec![
        Withdrawable::stake(&stake, &params)?,
        Withdrawable::unbonding(&stake, outpoint, value, &params)?,
    ];
    let withdrawal = Withdrawal::with_fee(from, ScriptBuf::new(), Amount::from_sat(1_000))?;
    let to_sign = withdrawal.to_sign();
    let signatures: Vec<_> = to_sign.iter().map(|(_, hash)| sign(STAKER, *hash)).collect();
    Ok(withdrawal.finish(&signatures)?)
}

fn request() -> Result<Vec<u8>, Box<dyn Error>> {
    let (stake, params) = (stake(), params());
    let unbonding = Unbonding::new(&stake, &params)?;
    let signature = sign(STAKER, unbonding.sighash()).serialize();
    Ok([signature.to_vec(), serialize(unbonding.transaction())].concat())
}

fn members(
    hash: [u8; 32],
) -> std::collections::BTreeMap<bitcoin::XOnlyPublicKey, bitcoin::secp256k1::schnorr::Signature> {
    let sign = |member: u8| (keypair(member).x_only_public_key().0, sign(member, hash));
    MEMBERS[..2].iter().map(|member| sign(*member)).collect()
}

fn registry() -> String {
    let entry = |number: u8| {
        let key = keypair(number).x_only_public_key().0;
        format!(
            r#"{{"description":{{"moniker":"provider {number}","identity":"","website":"",
                "security_contact":"","details":""}},"commission":"0.05","eots_pk":"{key}"}}"#
        )
    };
    format!(r#"{{"finality_providers":[{},{}]}}"#, entry(1), entry(2))
}
