//! Secrets at rest: what opens, and everything that must not.

use trestle_keys::sealed::{
    Cost, CostPolicy, DataKey, KeyFile, KeyFileError, MAX_SEALED, OpenError, RowError, open, seal,
};

use crate::frost::seeded;

const PASSPHRASE: &[u8] = b"correct horse battery staple";
const SECRET: &[u8] = b"sixteen secret b";
const HEADER: usize = 62;
const PINNED: [&str; 6] = [
    // magic
    "54524553544c4500",
    // version
    "0100",
    // memory, passes, lanes
    "080000000100000001000000",
    // salt
    "9a3744504560639ec670b7a17d492b27",
    // nonce
    "3e077b0a96bef58ba7760779e544546e000efec87c5749ec",
    // ciphertext and tag
    "604bd1f2f9835430e02292d5a91df9fcde621d812ec3b9a5b2ebd5055f94d17aa008c9cacd18",
];

fn cheap() -> Vec<u8> {
    seal("test", SECRET, PASSPHRASE, Cost::cheap_for_tests(), &mut seeded(1))
}

fn open_test(file: &[u8]) -> Result<Vec<u8>, OpenError> {
    open("test", file, PASSPHRASE, CostPolicy::AnyForTests).map(|secret| secret.to_vec())
}

fn with_number(offset: usize, number: u32) -> Vec<u8> {
    let mut file = cheap();
    file[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
    file
}

#[test]
fn sealed_file__should_open_with_its_passphrase() {
    assert_eq!(open_test(&cheap()), Ok(SECRET.to_vec()));
    let empty = seal("test", b"", b"", Cost::cheap_for_tests(), &mut seeded(1));
    let opened = open("test", &empty, b"", CostPolicy::AnyForTests).expect("sealed so");
    assert_eq!(opened.as_slice(), b"");
}

#[test]
fn sealed_file__should_not_open_with_another_passphrase() {
    for wrong in [b"correct horse battery stapl".as_slice(), b"", b"correct horse battery staple\n"]
    {
        let refused = open("test", &cheap(), wrong, CostPolicy::AnyForTests);
        let error = refused.expect_err("the wrong passphrase opened it");
        assert_eq!(error, OpenError::WrongPassphraseOrAltered);
        let text = error.to_string();
        assert!(text.contains("wrong passphrase") && text.contains("altered"), "{text}");
    }
}

#[test]
fn sealed_file__should_be_refused_at_every_truncation() {
    let file = cheap();
    for length in 0..file.len() {
        let expected = match length {
            0 => OpenError::NotSealed,
            // Too short for an empty secret's tag; from there on only the tag can tell.
            1..78 => OpenError::Truncated { got: length },
            78.. => OpenError::WrongPassphraseOrAltered,
        };
        assert_eq!(open_test(&file[..length]), Err(expected), "{length} of {} bytes", file.len());
    }
}

#[test]
fn sealed_file__should_be_refused_with_any_byte_flipped() {
    let file = cheap();
    for byte in 0..file.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut altered = file.clone();
            altered[byte] ^= mask;
            let error = open_test(&altered).expect_err("an altered file opened");
            let expected = match byte {
                0..8 => error == OpenError::NotSealed,
                8..10 => matches!(error, OpenError::Version { .. }),
                10..22 => matches!(
                    error,
                    OpenError::TooCheap { .. }
                        | OpenError::TooExpensive { .. }
                        | OpenError::WrongPassphraseOrAltered
                ),
                22.. => error == OpenError::WrongPassphraseOrAltered,
            };
            assert!(expected, "byte {byte} ^ {mask:#x}: {error:?}");
        }
    }
}

#[test]
fn sealed_file__should_be_refused_with_bytes_appended() {
    let mut file = cheap();
    file.push(0);
    assert_eq!(open_test(&file), Err(OpenError::WrongPassphraseOrAltered));
    file.resize(MAX_SEALED + 1, 0);
    assert_eq!(open_test(&file), Err(OpenError::TooLarge { got: MAX_SEALED + 1 }));
}

#[test]
fn sealed_file__should_name_a_newer_version_and_another_kind_of_file() {
    let mut newer = cheap();
    newer[8] = 2;
    assert_eq!(open_test(&newer), Err(OpenError::Version { got: 2 }));
    // Whatever a newer version puts behind that.
    assert_eq!(open_test(&newer[..10]), Err(OpenError::Version { got: 2 }));
    assert_eq!(open_test(b"-----BEGIN PRIVATE KEY-----"), Err(OpenError::NotSealed));
}

#[test]
fn production__should_refuse_what_is_cheap_to_guess() {
    let refused = open("test", &cheap(), PASSPHRASE, CostPolicy::Production).map(|_| ());
    assert_eq!(refused, Err(OpenError::TooCheap { memory_kib: 8, passes: 1, lanes: 1 }));
}

#[test]
fn production__should_open_what_it_seals() {
    let file = seal("test", SECRET, PASSPHRASE, Cost::production(), &mut seeded(1));
    let opened = open("test", &file, PASSPHRASE, CostPolicy::Production).expect("sealed so");
    assert_eq!(opened.as_slice(), SECRET);
    // A header that asks for less than the file was sealed with, to get a weaker check through.
    let mut weaker = file;
    weaker[14..18].copy_from_slice(&2_u32.to_le_bytes());
    let refused = open("test", &weaker, PASSPHRASE, CostPolicy::Production).map(|_| ());
    assert!(matches!(refused, Err(OpenError::TooCheap { passes: 2, .. })), "{refused:?}");
}

#[test]
fn sealed_file__should_be_refused_before_it_makes_the_node_work() {
    for (offset, number) in
        [(10, u32::MAX), (10, 1024 * 1024 + 1), (14, u32::MAX), (14, 17), (18, u32::MAX), (18, 17)]
    {
        for policy in [CostPolicy::AnyForTests, CostPolicy::Production] {
            let refused = open("test", &with_number(offset, number), PASSPHRASE, policy);
            let error = refused.expect_err("absurd work was done");
            assert!(
                matches!(error, OpenError::TooExpensive { .. }),
                "{offset} {number}: {error:?}"
            );
        }
    }
}

#[test]
fn sealed_file__should_be_refused_with_a_cost_that_argon2_does_not_have() {
    for (offset, number) in [(10, 0), (10, 7), (14, 0), (18, 0), (18, 2)] {
        let error = open_test(&with_number(offset, number)).expect_err("argon2 has no such cost");
        assert!(matches!(error, OpenError::TooCheap { .. }), "{offset} {number}: {error:?}");
    }
}

#[test]
fn sealed_file__should_not_pass_for_one_of_another_purpose() {
    let refused = open("other", &cheap(), PASSPHRASE, CostPolicy::AnyForTests).map(|_| ());
    let expected = OpenError::OtherPurpose { expected: "other".into(), got: "test".into() };
    assert_eq!(refused, Err(expected));
}

#[test]
fn sealing_twice__should_share_no_bytes_but_the_cost() {
    let mut rng = seeded(1);
    let mut seal = || seal("test", SECRET, PASSPHRASE, Cost::cheap_for_tests(), &mut rng);
    let (one, two) = (seal(), seal());
    assert_eq!(one[..22], two[..22]);
    assert_ne!(one[22..38], two[22..38], "salt");
    assert_ne!(one[38..HEADER], two[38..HEADER], "nonce");
    assert_ne!(one[HEADER..], two[HEADER..], "ciphertext");
}

#[test]
fn sealed_file__should_keep_its_layout() {
    // A change here makes the key files out there unreadable: it needs a new version.
    assert_eq!(hex::encode(cheap()), PINNED.concat());
    assert_eq!(cheap().len(), HEADER + 1 + 4 + 1 + SECRET.len() + 16);
}

#[test]
fn key_file__should_bring_back_every_secret() {
    let mut rng = seeded(2);
    let keys = KeyFile::generate(&mut rng);
    let row = keys.data.seal(b"share/main/1", SECRET, &mut rng);
    let file = keys.seal(PASSPHRASE, Cost::cheap_for_tests(), &mut rng);

    let again = KeyFile::open(&file, PASSPHRASE, CostPolicy::AnyForTests).expect("sealed so");

    assert_eq!(again.identity.peer.peer(), keys.identity.peer.peer());
    assert_eq!(again.identity.committee.xonly(), keys.identity.committee.xonly());
    let opened = again.data.open(b"share/main/1", &row).expect("the same data key");
    assert_eq!(opened.as_slice(), SECRET);
}

#[test]
fn key_file__should_be_refused_with_a_content_that_is_none() {
    let sealed = |purpose: &str, content: &[u8]| {
        let file = seal(purpose, content, PASSPHRASE, Cost::cheap_for_tests(), &mut seeded(1));
        KeyFile::open(&file, PASSPHRASE, CostPolicy::AnyForTests).map(|_| ())
    };
    for got in [0, 32, 95, 97, 128] {
        let refused = sealed("trestle/keys/1", &vec![1; got]);
        assert_eq!(refused, Err(KeyFileError::Length { got }));
    }
    let zero_committee = [[1; 32], [0; 32], [1; 32]].concat();
    assert!(matches!(sealed("trestle/keys/1", &zero_committee), Err(KeyFileError::Committee(_))));
    assert!(matches!(sealed("test", &[1; 96]), Err(KeyFileError::Sealed(_))));
    assert_eq!(sealed("trestle/keys/1", &[1; 96]), Ok(()));
}

#[test]
fn row__should_open_in_its_own_place_with_its_own_key_only() {
    let mut rng = seeded(3);
    let (key, other) = (DataKey::generate(&mut rng), DataKey::generate(&mut rng));
    let row = key.seal(b"share/main/1", SECRET, &mut rng);

    assert_eq!(key.open(b"share/main/1", &row).expect("sealed so").as_slice(), SECRET);
    let elsewhere = key.open(b"share/main/2", &row).map(|_| ());
    assert_eq!(elsewhere, Err(RowError::OtherKeyOrAltered));
    let foreign = other.open(b"share/main/1", &row).map(|_| ());
    assert_eq!(foreign, Err(RowError::OtherKeyOrAltered));
    assert_ne!(row, key.seal(b"share/main/1", SECRET, &mut rng));
}

#[test]
fn row__should_be_refused_cut_or_altered_anywhere() {
    let mut rng = seeded(4);
    let key = DataKey::generate(&mut rng);
    let row = key.seal(b"place", SECRET, &mut rng);
    for length in 0..row.len() {
        let expected = if length < 41 {
            RowError::Truncated { got: length }
        } else {
            RowError::OtherKeyOrAltered
        };
        assert_eq!(key.open(b"place", &row[..length]).map(|_| ()), Err(expected));
    }
    for byte in 0..row.len() {
        let mut altered = row.clone();
        altered[byte] ^= 1;
        let expected =
            if byte == 0 { RowError::Version { got: 0 } } else { RowError::OtherKeyOrAltered };
        assert_eq!(key.open(b"place", &altered).map(|_| ()), Err(expected), "byte {byte}");
    }
}
