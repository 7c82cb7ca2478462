//! Any transaction of the chain: whether it makes a stake, and what it does to one.

#![no_main]

use std::sync::LazyLock;

use bitcoin::{Transaction, consensus::deserialize};
use libfuzzer_sys::fuzz_target;
use trestle_fuzz::{params, stake};
use trestle_staking::{
    Stake, VersionParams,
    identify::{
        Identified, Identifier, StakeSpend, identify, is_candidate, spend_of_stake,
        spend_of_unbonding,
    },
};

static PARAMS: LazyLock<VersionParams> = LazyLock::new(params);
static STAKE: LazyLock<Stake> = LazyLock::new(stake);

fuzz_target!(|bytes: &[u8]| {
    let Ok(transaction) = deserialize::<Transaction>(bytes) else { return };
    let identified = identify(&transaction, &PARAMS);
    let mut identifier = Identifier::new(&PARAMS);
    assert_eq!(identifier.identify(&transaction), identified);
    assert_eq!(identifier.identify(&transaction), identified, "with its keys known");
    let together = identifier.identify_all(std::slice::from_ref(&transaction));
    let staking = !matches!(identified, Identified::NotStaking(_));
    assert_eq!(together.len(), usize::from(staking), "among others");
    match &identified {
        Identified::Stake(stake) | Identified::Invalid { stake, .. } => {
            assert!(is_candidate(&transaction, PARAMS.tag));
            // What an index stores is enough to rebuild the output.
            let vout = usize::try_from(stake.outpoint.vout).expect("it fits");
            assert_eq!(stake.tx_out(&PARAMS).as_ref(), Ok(&transaction.output[vout]));
            assert_eq!(stake.outpoint.txid, transaction.compute_txid());
        }
        Identified::NotStaking(_) => {}
    }
    for input in 0..=transaction.input.len() {
        let of_stake = spend_of_stake(&STAKE, &PARAMS, &transaction, input);
        if let Ok(StakeSpend::Unbonding { txid, .. }) = of_stake {
            assert_eq!(txid, transaction.compute_txid());
            assert_eq!((transaction.input.len(), transaction.output.len()), (1, 1));
            let expected = STAKE.unbonding_tx_out(&PARAMS).expect("keys differ");
            assert_eq!(Some(&transaction.output[0]), expected.as_ref());
        }
        let of_unbonding = spend_of_unbonding(&STAKE, &PARAMS, &transaction, input);
        assert!(of_stake.is_ok() && of_unbonding.is_ok());
    }
});
