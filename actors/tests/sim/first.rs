//! Nothing goes wrong: a key is made, and pays.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use super::world::World;

#[test]
fn committee__should_make_a_key_and_pay_when_nothing_goes_wrong() {
    // Given
    let mut world = World::new(1, 3, 2);

    // When
    world.want_key();
    assert!(
        world.run_until(60_000, |world| world.client.key.is_some()),
        "{:?}",
        world.client.denied
    );
    world.fund(1_000_000);
    world.fund(2_000_000);
    world.run(30_000);
    world.want_payment(500_000, Some(5));
    world.want_payment(1_900_000, None);

    // Then
    assert!(world.run_until(200_000, World::all_paid), "{:?}", world.phases());
    assert_eq!(world.checker.violations, []);
}
