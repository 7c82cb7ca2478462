//! Bytes of scripts and outputs.

use bitcoin::{
    Script, ScriptBuf, XOnlyPublicKey,
    key::{TapTweak, TweakedPublicKey},
    secp256k1::Secp256k1,
    taproot::TaprootBuilder,
};
use rstest::rstest;
use trestle_staking::{
    Covenant, CovenantError, Tag,
    script::{
        Keys, Leaf, ScriptError, StakingData, StakingOutput, TimelockOutput, UnbondingOutput,
        internal_key, timelock,
    },
};

use crate::fixture::{MEMBERS, PROVIDER, STAKER, key, params};

#[rstest]
#[case(0, "00")]
#[case(1, "51")]
#[case(3, "53")]
#[case(16, "60")]
#[case(17, "0111")]
#[case(20, "0114")]
#[case(127, "017f")]
#[case(128, "028000")]
#[case(255, "02ff00")]
#[case(256, "020001")]
#[case(1008, "02f003")]
#[case(32_767, "02ff7f")]
#[case(32_768, "03008000")]
#[case(64_000, "0300fa00")]
#[case(65_535, "03ffff00")]
fn timelock_script__should_push_the_shortest_number(#[case] time: u16, #[case] push: &str) {
    let script = timelock(&key(STAKER), time);
    assert_eq!(hex::encode(script.as_bytes()), format!("20{}ad{push}b2", key(STAKER)));
}

#[rstest]
#[case(16, "60")]
#[case(17, "0111")]
fn multisig__should_push_the_shortest_quorum(#[case] quorum: u32, #[case] push: &str) {
    let members = (101..=118).map(key);
    let covenant = Covenant::new(members, quorum).expect("18 different keys");
    let keys = Keys::new(&covenant, key(STAKER), &[key(PROVIDER)]).expect("all differ");
    let script = hex::encode(keys.unbonding().as_bytes());
    assert!(script.ends_with(&format!("ba{push}9c")), "{script}");
}

#[test]
fn covenant_of_one__should_need_no_count() {
    let covenant = Covenant::new([key(101)], 1).expect("one key");
    let keys = Keys::new(&covenant, key(STAKER), &[key(PROVIDER)]).expect("all differ");
    let expected = format!("20{}ad20{}ac", key(STAKER), key(101));
    assert_eq!(hex::encode(keys.unbonding().as_bytes()), expected);
}

#[test]
fn scripts_of_nine_members__should_have_the_known_sizes() {
    let covenant = Covenant::new((101..=109).map(key), 6).expect("nine different keys");
    let keys = Keys::new(&covenant, key(STAKER), &[key(PROVIDER)]).expect("all differ");
    let sizes = [keys.timelock(64_000), keys.unbonding(), keys.slashing()].map(|s| s.len());
    assert_eq!(sizes, [39, 342, 376]);
}

#[test]
fn covenant__should_sort_keys_by_bytes() {
    let bytes = |keys: &[XOnlyPublicKey]| -> Vec<[u8; 32]> {
        keys.iter().map(XOnlyPublicKey::serialize).collect()
    };
    let mut given: Vec<XOnlyPublicKey> = MEMBERS.map(key).to_vec();
    given.sort_by_key(|key| std::cmp::Reverse(key.serialize()));
    let covenant = Covenant::new(given.clone(), 2).expect("three different keys");
    given.reverse();
    assert_eq!(bytes(covenant.keys()), bytes(&given));
}

#[rstest]
#[case(&[], 1, CovenantError::Empty)]
#[case(&[101, 102], 0, CovenantError::ZeroQuorum)]
#[case(&[101, 102], 3, CovenantError::QuorumTooLarge { quorum: 3, keys: 2 })]
#[case(&[101, 102, 101], 2, CovenantError::Duplicate(key(101)))]
fn covenant__should_refuse(
    #[case] members: &[u8],
    #[case] quorum: u32,
    #[case] expected: CovenantError,
) {
    let covenant = Covenant::new(members.iter().map(|member| key(*member)), quorum);
    assert_eq!(covenant, Err(expected));
}

#[rstest]
#[case(STAKER, &[], ScriptError::NoProvider)]
#[case(STAKER, &[STAKER], ScriptError::DuplicateKey(key(STAKER)))]
#[case(STAKER, &[101], ScriptError::DuplicateKey(key(101)))]
#[case(102, &[PROVIDER], ScriptError::DuplicateKey(key(102)))]
#[case(STAKER, &[PROVIDER, PROVIDER], ScriptError::DuplicateKey(key(PROVIDER)))]
fn keys__should_refuse(
    #[case] staker: u8,
    #[case] providers: &[u8],
    #[case] expected: ScriptError,
) {
    let providers: Vec<_> = providers.iter().map(|provider| key(*provider)).collect();
    let params = params();
    let keys = Keys::new(&params.covenant, key(staker), &providers);
    assert_eq!(keys.map(|_| ()), Err(expected));
}

/// rust-bitcoin's own tree, as a second opinion.
fn second_opinion(leaves: &[(u8, &Leaf)], script_pubkey: &Script) {
    let mut builder = TaprootBuilder::new();
    for (depth, leaf) in leaves {
        builder = builder.add_leaf(*depth, leaf.script.clone()).expect("depths of a whole tree");
    }
    let secp = Secp256k1::new();
    let tree = builder.finalize(&secp, internal_key()).expect("depths of a whole tree");
    assert_eq!(script_pubkey, ScriptBuf::new_p2tr_tweaked(tree.output_key()).as_script());
    for (_, leaf) in leaves {
        let versioned = (leaf.script.clone(), leaf.control_block.leaf_version);
        assert_eq!(tree.control_block(&versioned).as_ref(), Some(&leaf.control_block));
        assert_eq!(Some(leaf.merkle_root()), tree.merkle_root());
        let key: TweakedPublicKey = tree.output_key();
        let proof = &leaf.control_block;
        assert!(proof.verify_taproot_commitment(&secp, key.to_x_only_public_key(), &leaf.script));
    }
    let keyed = internal_key().tap_tweak(&secp, tree.merkle_root());
    assert_eq!(keyed.0, tree.output_key());
}

#[test]
fn staking_output__should_be_the_tree_of_three_scripts() {
    let params = params();
    let keys = Keys::new(&params.covenant, key(STAKER), &[key(PROVIDER)]).expect("all differ");
    let output = StakingOutput::new(&keys, 100);
    let (timelock, unbonding, slashing) =
        (output.timelock(), output.unbonding(), output.slashing());
    let leaves = [(2, &timelock), (2, &unbonding), (1, &slashing)];
    second_opinion(&leaves, &output.script_pubkey());
    let sizes = leaves.map(|(_, leaf)| leaf.control_block.serialize().len());
    assert_eq!(sizes, [97, 97, 65]);
}

#[test]
fn unbonding_output__should_be_the_tree_of_two_scripts() {
    let params = params();
    let keys = Keys::new(&params.covenant, key(STAKER), &[key(PROVIDER)]).expect("all differ");
    let output = UnbondingOutput::new(&keys, 20);
    let (timelock, slashing) = (output.timelock(), output.slashing());
    second_opinion(&[(1, &timelock), (1, &slashing)], &output.script_pubkey());
    assert_eq!(slashing.script, StakingOutput::new(&keys, 100).slashing().script);
    assert_eq!(timelock.control_block.serialize().len(), 65);
}

#[test]
fn slashing_change__should_be_a_timelock_alone() {
    let output = TimelockOutput::new(&key(STAKER), 20);
    let timelock = output.timelock();
    second_opinion(&[(0, &timelock)], &output.script_pubkey());
    assert_eq!(timelock.control_block.serialize().len(), 33);
}

fn data() -> StakingData {
    StakingData {
        tag: Tag(*b"test"),
        staker: key(STAKER),
        finality_provider: key(PROVIDER),
        time: 0x1234,
    }
}

#[test]
fn staking_data__should_have_the_known_layout() {
    let script = data().to_script();
    let expected = format!("6a477465737400{}{}1234", key(STAKER), key(PROVIDER));
    assert_eq!(hex::encode(script.as_bytes()), expected);
    assert_eq!(StakingData::parse(&script), Some(data()));
}

#[rstest]
#[case::another_opcode(0, 0x51)]
#[case::another_push(1, 0x4c)]
#[case::another_version(6, 1)]
fn staking_data__should_be_nothing_else(#[case] at: usize, #[case] byte: u8) {
    let mut bytes = data().to_script().into_bytes();
    bytes[at] = byte;
    assert_eq!(StakingData::parse(Script::from_bytes(&bytes)), None);
}

#[rstest]
#[case(72)]
#[case(74)]
fn staking_data__should_have_its_length(#[case] length: usize) {
    let mut bytes = data().to_script().into_bytes();
    bytes.resize(length, 0);
    assert_eq!(StakingData::parse(Script::from_bytes(&bytes)), None);
}
