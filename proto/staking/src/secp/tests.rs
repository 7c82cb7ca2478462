#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use bitcoin::{
    hashes::{Hash, sha256},
    secp256k1::constants::CURVE_ORDER,
};

use super::*;

fn scalar(bytes: [u8; 32]) -> Scalar {
    Scalar::from_be_bytes(bytes).expect("below the order")
}

fn random(numbers: std::ops::Range<u32>) -> impl Iterator<Item = [u8; 32]> {
    numbers.map(|n| sha256::Hash::hash(&n.to_le_bytes()).to_byte_array())
}

/// The smallest, the largest, each digit alone, and some that are as good as random.
fn scalars() -> Vec<Scalar> {
    let mut below = CURVE_ORDER;
    below[31] -= 1;
    let digits = (0..32).flat_map(|digit| {
        [1, 2, 128, 255].map(|value| {
            let mut bytes = [0; 32];
            bytes[digit] = if digit == 0 { value.min(254) } else { value };
            bytes
        })
    });
    [[0; 32], below].into_iter().chain(digits).chain(random(0..300)).map(scalar).collect()
}

#[test]
fn multiples__should_give_what_the_library_gives() {
    // Given
    let all = scalars();

    for number in [1, 2, 3, 63, 64, 65, all.len()] {
        // When
        let ours = MULTIPLES.output_keys(&all[..number]);

        // Then
        let expected: Vec<_> = all[..number].iter().map(output_key).collect();
        assert_eq!(ours, expected, "{number} at once");
    }
}

#[test]
fn output_keys__should_not_change_when_the_table_takes_over() {
    let all = scalars();
    let expected: Vec<_> = all.iter().map(output_key).collect();
    while TWEAKS.load(Ordering::Relaxed) < ENOUGH {
        assert_eq!(output_keys(&all), expected);
    }
    assert_eq!(output_keys(&all), expected);
    assert_eq!(output_keys(&all[..1]), expected[..1]);
    assert_eq!(output_keys(&[]), []);
}

#[test]
fn sums__should_leave_out_equal_and_opposite_points_and_no_others() {
    // Given multiples of the generator, and one of them mirrored
    let table = &MULTIPLES.0;
    let (one, two, three) = (table[0], table[1], table[2]);
    let mirrored = Point { x: one.x, y: Field::from_limbs([0; 4]).minus(&one.y) };

    // When
    let (few, none) = ([one, two], []);
    let found = sums(&[&few, &[one, one], &[three], &[one, mirrored, two], &none, &few]);

    // Then
    let found: Vec<_> = found.into_iter().map(|x| x.map(Field::to_be_bytes)).collect();
    let three = Some(three.x.to_be_bytes());
    assert_eq!(found, [three, None, three, None, None, three]);
}

#[test]
fn is_key__should_say_what_the_library_says() {
    let mut prime = [0; 32];
    for (bytes, limb) in prime.as_chunks_mut::<8>().0.iter_mut().rev().zip(field::PRIME) {
        *bytes = limb.to_be_bytes();
    }
    let around = (0..40_u8).flat_map(|by| {
        let (mut below, mut above) = (prime, prime);
        below[31] = below[31].wrapping_sub(by);
        above[31] = above[31].wrapping_add(by);
        [below, above, [by; 32], [255 - by; 32]]
    });
    let small = (0..200_u8).map(|value| {
        let mut bytes = [0; 32];
        bytes[31] = value;
        bytes
    });
    let (mut keys, mut others) = (0, 0);
    for bytes in around.chain(small).chain(random(0..5_000)) {
        let expected = XOnlyPublicKey::from_slice(&bytes).is_ok();
        assert_eq!(is_key(&bytes), expected, "{bytes:02x?}");
        // The library decides where the fast way says no: so that has to be looked at by itself.
        let x = Field::from_be_bytes(&bytes);
        if x.to_be_bytes() == bytes {
            let square = x.times(&x).times(&x).plus(&Field::from_limbs([7, 0, 0, 0]));
            assert!(is_square(&square).is_none_or(|found| found == expected), "{bytes:02x?}");
        }
        *(if expected { &mut keys } else { &mut others }) += 1;
    }
    // Half of all numbers are.
    assert!(keys > 2_000 && others > 2_000, "{keys} {others}");
}
