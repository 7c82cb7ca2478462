//! What holds for any input: nothing panics, and what is built is read back.

use bitcoin::{Amount, Script, ScriptBuf, TxOut, Witness};
use proptest::prelude::*;
use trestle_staking::{
    GlobalParams, Tag,
    identify::{Identified, spend_of_stake, spend_of_unbonding, tapscript},
    params::{self, Problem},
    providers::Providers,
    script::StakingData,
    tx::{StakePlan, presigned_form},
};

use crate::{
    fixture::{identify, key, outpoint, params as rules, stake, staking, transaction},
    params::{file, version},
};

/// A good file with some bytes replaced.
fn damaged() -> impl Strategy<Value = String> {
    let text = file(&[version(0, 100), version(1, 200)]).into_bytes();
    let damage = prop::collection::vec((0..text.len(), any::<u8>()), 1..6);
    damage.prop_map(move |changes| {
        let mut bytes = text.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

proptest! {
    #[test]
    fn parameters__should_be_read_or_refused_without_panic(text in damaged()) {
        let findings = params::check(&text);
        let errors = findings.iter().any(|found| matches!(found.what, Problem::Error(_)));
        prop_assert_eq!(GlobalParams::parse(&text).is_err(), errors);
        let lines = 1 + text.matches('\n').count();
        prop_assert!(findings.iter().all(|found| (1..=lines).contains(&found.line)));
    }

    #[test]
    fn any_text__should_be_read_or_refused_without_panic(text in any::<String>()) {
        prop_assert!(GlobalParams::parse(&text).is_err());
        prop_assert!(Providers::parse(&text).is_err());
    }

    #[test]
    fn staking_data__should_read_back(
        tag: [u8; 4],
        staker in 1_u8..=254,
        provider in 1_u8..=254,
        time: u16,
    ) {
        let data = StakingData {
            tag: Tag(tag),
            staker: key(staker),
            finality_provider: key(provider),
            time,
        };
        prop_assert_eq!(StakingData::parse(&data.to_script()), Some(data));
    }

    #[test]
    fn staking_data__should_be_its_bytes_or_nothing(rest in prop::array::uniform32(any::<u8>()),
        second in prop::array::uniform32(any::<u8>()), time: u16) {
        let mut bytes = vec![0x6A, 0x47, 1, 2, 3, 4, 0];
        bytes.extend(rest);
        bytes.extend(second);
        bytes.extend(time.to_be_bytes());
        if let Some(data) = StakingData::parse(Script::from_bytes(&bytes)) {
            prop_assert_eq!(data.to_script().into_bytes(), bytes);
        }
    }

    #[test]
    fn built_stake__should_be_identified(
        staker in 1_u8..90,
        distance in 1_u8..10,
        sats in 10_000_u64..=100_000,
        time in 10_u16..=1000,
    ) {
        let plan = StakePlan {
            staker: key(staker),
            finality_provider: key(staker + distance),
            value: Amount::from_sat(sats),
            time,
        };
        let transaction = staking(&plan, &rules());
        let outpoint = bitcoin::OutPoint { txid: transaction.compute_txid(), vout: 0 };
        let expected = Identified::Stake(plan.stake(outpoint, &rules()));
        prop_assert_eq!(identify(&transaction, &rules()), expected);
    }

    #[test]
    fn any_transaction__should_be_judged_without_panic(
        scripts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..5),
        items in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 0..6),
        value: u64,
    ) {
        let outputs = scripts.into_iter().map(|bytes| TxOut {
            value: Amount::from_sat(value),
            script_pubkey: ScriptBuf::from_bytes(bytes),
        });
        let witness = Witness::from_slice(&items);
        tapscript(&witness);
        let transaction = transaction(&[(outpoint(9), witness)], outputs.collect());
        let rules = rules();
        prop_assert!(matches!(identify(&transaction, &rules), Identified::NotStaking(_)));
        prop_assert!(spend_of_stake(&stake(), &rules, &transaction, 0).is_ok());
        prop_assert!(spend_of_unbonding(&stake(), &rules, &transaction, 0).is_ok());
        let _form = presigned_form(&transaction);
    }
}
