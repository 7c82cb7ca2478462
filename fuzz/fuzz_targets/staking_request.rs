//! Any request to unbond: the first 64 bytes are the staker's signature, the rest is the
//! transaction.

#![no_main]

use std::sync::LazyLock;

use bitcoin::{Transaction, consensus::deserialize, secp256k1::schnorr::Signature};
use libfuzzer_sys::fuzz_target;
use trestle_fuzz::{params, stake};
use trestle_staking::{
    Stake, VersionParams,
    tx::{RequestFault, check_request, presigned_form},
};

static PARAMS: LazyLock<VersionParams> = LazyLock::new(params);
static STAKE: LazyLock<Stake> = LazyLock::new(stake);

fuzz_target!(|bytes: &[u8]| {
    let Some((signature, raw)) = bytes.split_at_checked(64) else { return };
    let Ok(signature) = Signature::from_slice(signature) else { return };
    let Ok(transaction) = deserialize::<Transaction>(raw) else { return };
    let txid = transaction.compute_txid();
    match check_request(&transaction, Some(txid), &STAKE, &PARAMS, &signature) {
        Ok(unbonding) => {
            // The one that is built anew is the same but for its witness.
            assert_eq!(unbonding.transaction().compute_txid(), txid);
            assert!(unbonding.verify_staker(&signature));
        }
        Err(RequestFault::Form(reason)) => assert_eq!(presigned_form(&transaction), Err(reason)),
        Err(fault) => {
            assert_eq!(presigned_form(&transaction), Ok(()));
            assert!(!fault.to_string().is_empty());
        }
    }
});
