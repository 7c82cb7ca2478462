//! One run by seed: a committee makes a key and pays, first while things go wrong, then in peace.

use rand_chacha::ChaCha8Rng;
use trestle_actors::coordinator::{ingress::Request, view::PaymentPhase};
use trestle_keys::taproot::internal_key;

use super::world::{
    World,
    checker::{Violation, keys},
    dice,
    faults::{Faults, Lie, Tally},
};

/// How long things go wrong while a key is made, in milliseconds.
const KEY_FAULTS_MS: u64 = 20_000;
/// How long things go wrong while payments are made.
const PAY_FAULTS_MS: u64 = 120_000;
/// How long a key may take in peace: what is under way must fail first.
const KEY_PEACE_MS: u64 = 120_000;
/// How long payments may take in peace.
const PAY_PEACE_MS: u64 = 1_200_000;

/// The committee of a seed: 3 to 9 members.
fn size(rng: &mut ChaCha8Rng) -> (usize, usize) {
    let n = usize::try_from(dice::between(rng, 3, 9)).expect("small");
    // A simple majority at least; so every second committee has 3t > 2n.
    let least = n / 2 + 1;
    let t = usize::try_from(dice::between(rng, least as u64, n as u64)).expect("small");
    (n, t)
}

/// Runs a seed.
///
/// # Panics
/// With the seed and what was found, if a property does not hold.
pub(crate) fn run(seed: u64) -> Tally {
    let mut rng = dice::generator(seed, 7);
    let (n, t) = size(&mut rng);
    let mut world = World::new(seed, n, t);
    make_key(&mut world, &mut rng);
    lie(&mut world, &mut rng, n, t);
    pay(&mut world, &mut rng);
    judge(&mut world);
    count(&mut world);
    world.tally
}

/// Adds what the coordinator counted.
fn count(world: &mut World) {
    let ids: Vec<_> = world.client.payments.iter().filter_map(|wanted| wanted.id).collect();
    for id in ids {
        let view = world.ask(|reply| Request::Payment(id, reply));
        world.tally.versions += view.map_or(0, |view| view.versions.len() as u64 - 1);
    }
    let blamed = world.view().map(|view| view.members.iter().map(|member| member.blamed).sum());
    world.tally.blamed += blamed.unwrap_or(0_u64);
}

fn make_key(world: &mut World, rng: &mut ChaCha8Rng) {
    // Half the keys are made in trouble.
    if dice::chance(rng, 500) {
        world.faults = Faults { block: 100, ..Faults::all(rng) };
        // A generation needs every message to come: rarely lost, or none would ever end well.
        world.faults.loss /= 10;
    }
    world.want_key();
    world.run_until(KEY_FAULTS_MS, |world| world.client.key.is_some());
    world.heal();
    if !world.run_until(KEY_PEACE_MS, |world| world.client.key.is_some()) {
        let why = format!("no key: {:?}", world.client.denied);
        world.checker.found(Violation::Stuck(why));
        judge(world);
    }
}

/// Up to n − t members lie from now on.
fn lie(world: &mut World, rng: &mut ChaCha8Rng, n: usize, t: usize) {
    let most = (n - t) as u64;
    // As many as may be, or a random number of them.
    let liars = if dice::chance(rng, 500) { most } else { dice::below(rng, most + 1) };
    while (world.lies.len() as u64) < liars {
        let member = usize::try_from(dice::between(rng, 1, n as u64)).expect("small");
        let lie = dice::pick(rng, &Lie::ALL).copied().expect("there are some");
        world.corrupt(member, lie);
    }
}

fn pay(world: &mut World, rng: &mut ChaCha8Rng) {
    // Some of the miner's own money goes to the committee, and is too fresh to be spent.
    let script = world.client.key.as_ref().map(|key| key.address.script_pubkey());
    world.ground.bitcoind.chain().miner = script.expect("there is a key");
    for _ in 0..dice::between(rng, 3, 8) {
        world.fund(dice::between(rng, 300_000, 2_000_000));
    }
    world.mine();
    world.run(5_000);
    world.faults = Faults::all(rng);
    let payments = dice::between(rng, 2, 6);
    for _ in 0..payments {
        let sats = dice::between(rng, 10_000, 250_000);
        let rate = dice::chance(rng, 500).then(|| dice::between(rng, 1, 20) as u32);
        world.want_payment(sats, rate);
        world.run(PAY_FAULTS_MS / payments);
    }
    world.heal();
    // A payment whose anchor a reorg has taken away has failed, and is asked for anew.
    let paid = (0..10).any(|_| {
        world.pay_failed_again();
        world.run_until(PAY_PEACE_MS / 10, World::all_paid)
    });
    if !paid {
        let why = stuck(world);
        world.checker.found(Violation::Stuck(why));
    }
    // Long enough for the last block to reach everyone, and for everything owed to arrive.
    world.run(90_000);
    for phase in world.phases() {
        if !matches!(phase, Some(PaymentPhase::Confirmed { .. } | PaymentPhase::Settled { .. })) {
            let why = format!("a payment in the chain is shown as {phase:?}");
            world.checker.found(Violation::Stuck(why));
        }
    }
}

/// What the payments wait for that are not in the chain.
fn stuck(world: &mut World) -> String {
    let ids: Vec<_> = world.client.payments.iter().map(|wanted| wanted.id).collect();
    let mut text = String::from("payments that do not confirm:");
    for id in ids {
        let view = id.and_then(|id| world.ask(|reply| Request::Payment(id, reply)));
        match view {
            None => text.push_str("\n  one that is not accepted"),
            Some(view) if matches!(view.phase, PaymentPhase::Settled { .. }) => {}
            Some(view) => {
                let latest = view.versions.last();
                let inputs = latest.map(|one| {
                    let inputs = one.transaction.input.iter();
                    inputs.map(|input| input.previous_output).collect::<Vec<_>>()
                });
                let inputs = inputs.unwrap_or_default();
                let coins = world.ground.bitcoind.chain().coins(&inputs).coins;
                let there: Vec<bool> = coins.iter().map(Option::is_some).collect();
                text.push_str(&format!(
                    "\n  {:?}, {} versions, note {:?}, latest spends {inputs:?}, unspent {there:?}",
                    view.phase,
                    view.versions.len(),
                    view.note,
                ));
            }
        }
    }
    text
}

/// Everyone knows the same key, and nothing was found.
fn judge(world: &mut World) {
    world.look();
    if let Some(view) = world.client.key.clone() {
        for member in world.members() {
            let store = world.nodes[member].store.clone();
            let rows = keys(store.rows());
            let ready = rows.iter().filter(|(_, row)| row.ready.is_some());
            let usable = ready.filter(|(session, row)| {
                session.key == view.key && internal_key(&row.public.group) == Ok(view.internal)
            });
            let usable = usable.count();
            if usable != 1 && !world.checker.liars.contains(&member) {
                let why = format!("member {member} has {usable} usable keys, wanted one");
                world.checker.found(Violation::Stuck(why));
            }
        }
    }
    let found: Vec<String> = world.checker.violations.iter().map(ToString::to_string).collect();
    let (n, t, liars) = (world.members().len(), world.checker.threshold, &world.lies);
    assert!(
        found.is_empty(),
        "seed {}: {t} of {n}, liars {liars:?}: {found:#?}\nagain with SEED={} cargo nextest run -p \
         trestle-actors --test sim seeds",
        world.seed(),
        world.seed(),
    );
}
