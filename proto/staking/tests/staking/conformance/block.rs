//! A whole mainnet block.

use bitcoin::{Block, consensus::deserialize};
use trestle_staking::{
    GlobalParams, export,
    identify::{Identified, Identifier, identify, is_candidate},
};

use super::Vectors;

const HEIGHT: u32 = 864_790;

#[test]
fn mainnet_block__should_be_identified_without_a_difference() {
    let Some(vectors) = Vectors::find() else { return };
    let params = GlobalParams::parse(&vectors.text("global-params.bbn-1-mainnet.json"));
    let params = params.expect("a valid file");
    let params = params.params_at(HEIGHT).expect("active");
    let block: Block =
        deserialize(&vectors.bytes("mainnet_block_864790.bin")).expect("a whole block");
    assert_eq!(block.txdata.len(), 5043);
    let mut rows = vec![export::HEADER.to_owned()];
    let mut identifier = Identifier::new(params);
    let mut together = Identifier::new(params).identify_all(&block.txdata).into_iter();
    for (place, transaction) in block.txdata.iter().enumerate() {
        let identified = identifier.identify(transaction);
        assert_eq!(identified, identify(transaction, params));
        match identified {
            Identified::Stake(stake) => {
                let same = together.next().expect("as many together as one by one");
                let stakes = (same.staker, same.finality_provider, same.value, same.time);
                let (staker, provider) = (stake.staker.into(), stake.finality_provider.into());
                assert_eq!(stakes, (staker, provider, stake.value, stake.time));
                assert_eq!((same.place, same.outpoint), (place, stake.outpoint));
                assert_eq!((same.params_version, same.allowed), (stake.params_version, Ok(())));
                rows.push(export::row(&stake, HEIGHT, false));
            }
            Identified::Invalid { reason, stake } => {
                panic!("{reason}: {}", stake.outpoint)
            }
            Identified::NotStaking(_) => {}
        }
    }
    assert_eq!(together.next(), None);
    let expected = vectors.text("mainnet_block_864790.expected_export.csv");
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(rows.len(), 338);
    assert_eq!(rows, expected);
}

#[test]
fn mainnet_block__should_hold_no_stake_of_another_tag() {
    let Some(vectors) = Vectors::find() else { return };
    let params = GlobalParams::parse(&vectors.text("global-params.bbn-test-4-signet.json"));
    let params = params.expect("a valid file");
    let tag = params.versions()[0].tag;
    let block: Block =
        deserialize(&vectors.bytes("mainnet_block_864790.bin")).expect("a whole block");
    assert!(!block.txdata.iter().any(|transaction| is_candidate(transaction, tag)));
}
