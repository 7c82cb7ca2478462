//! What goes wrong, and how often.

use rand_chacha::{ChaCha8Rng, rand_core::RngCore};
use trestle_wire::{
    Message,
    committee::{
        payment::OutPoint,
        sign::{Binding, RefusalCode, SignRefused},
    },
};

use super::dice;

/// Chances in a thousand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// A message is lost.
    pub(crate) loss: u32,
    /// A message comes twice.
    pub(crate) duplicate: u32,
    /// The longest way of a message in milliseconds; a random part of it, so messages overtake.
    pub(crate) delay_ms: u64,
    /// A commit fails, for each input handled.
    pub(crate) commit: u32,
    /// bitcoind does not answer the coordinator.
    pub(crate) bitcoind: u32,
    /// A node dies, each second.
    pub(crate) crash: u32,
    /// Some members are cut off from the coordinator for a while, each second.
    pub(crate) partition: u32,
    /// A block comes, each second.
    pub(crate) block: u32,
    /// The best chain loses blocks, each second.
    pub(crate) reorg: u32,
    /// Mempools forget what is in no block, each second.
    pub(crate) forget: u32,
    /// A transaction gets into a block that has room for it.
    pub(crate) include: u32,
}

impl Faults {
    /// All is well: blocks come, and take everything.
    pub(crate) fn none() -> Self {
        Self { delay_ms: 20, block: 100, include: 1_000, ..Self::default() }
    }

    /// All of it, more or less by seed.
    pub(crate) fn all(rng: &mut ChaCha8Rng) -> Self {
        let mut up_to = |most: u64| u32::try_from(dice::below(rng, most + 1)).unwrap_or_default();
        Self {
            loss: up_to(100),
            duplicate: up_to(150),
            delay_ms: u64::from(up_to(400)),
            commit: up_to(15),
            bitcoind: up_to(150),
            crash: up_to(40),
            partition: up_to(40),
            block: 150,
            reorg: up_to(30),
            forget: up_to(30),
            // Low enough that many a version lags and is bumped.
            include: 20 + up_to(400),
        }
    }
}

/// What did go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) crashes: u64,
    pub(crate) commits: u64,
    pub(crate) cuts: u64,
    pub(crate) reorgs: u64,
    pub(crate) forgotten: u64,
    pub(crate) versions: u64,
    pub(crate) blamed: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.crashes += other.crashes;
        self.commits += other.commits;
        self.cuts += other.cuts;
        self.reorgs += other.reorgs;
        self.forgotten += other.forgotten;
        self.versions += other.versions;
        self.blamed += other.blamed;
    }
}

/// How a dishonest member treats what its actor wants to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Says nothing.
    Silent,
    /// Gives wrong shares.
    WrongShares,
    /// Offers some nonces and then signs with other ones: its offers differ from what it holds.
    Equivocate,
    /// Refuses everything.
    Refuse,
    /// Sends bytes that mean nothing, and messages that answer nothing.
    Garbage,
}

/// An anchor that the payment never had, or nothing.
fn made_up(rng: &mut ChaCha8Rng) -> Option<Binding> {
    let txid = [u8::try_from(dice::below(rng, 3)).unwrap_or_default(); 32];
    dice::chance(rng, 500).then_some(Binding::Anchor(OutPoint { txid, vout: 0 }))
}

impl Lie {
    pub(crate) const ALL: [Self; 5] =
        [Self::Silent, Self::WrongShares, Self::Equivocate, Self::Refuse, Self::Garbage];

    /// What is sent in place of a message. Bytes that no envelope has are for the scheduler.
    pub(crate) fn tell(self, message: Message, rng: &mut ChaCha8Rng) -> Vec<Message> {
        match (self, message) {
            (Self::Silent, _) => Vec::new(),
            (Self::WrongShares, Message::SignShares(mut answer)) => {
                for share in &mut answer.shares {
                    share[31] ^= 1;
                }
                vec![answer.into()]
            }
            (Self::Equivocate, Message::NonceOffer(mut offer)) => {
                let honest = offer.clone();
                // Valid points, in another order: nobody can tell until the shares come.
                offer.commitments.reverse();
                if dice::chance(rng, 500) { vec![offer.into()] } else { vec![honest.into()] }
            }
            (Self::Equivocate, Message::SignShares(answer)) => {
                let mut other = answer.clone();
                other.shares.reverse();
                vec![other.into(), answer.into()]
            }
            (Self::Refuse, Message::SignShares(answer)) => {
                let refused = SignRefused {
                    session: answer.session,
                    attempt: answer.attempt,
                    key: answer.key,
                    index: answer.index,
                    code: RefusalCode::Policy,
                    detail: "no".into(),
                    binding: made_up(rng),
                };
                vec![refused.into()]
            }
            (Self::Garbage, Message::SignShares(mut answer)) => {
                match dice::below(rng, 4) {
                    0 => answer.shares.clear(),
                    1 => answer.shares.iter_mut().for_each(|share| *share = [0xFF; 32]),
                    2 => answer.attempt = answer.attempt.wrapping_add(1),
                    _ => rng.fill_bytes(&mut answer.session.0),
                }
                vec![answer.into()]
            }
            (Self::Garbage, Message::NonceOffer(mut offer)) => {
                match dice::below(rng, 3) {
                    0 => offer.commitments.iter_mut().for_each(|one| one.hiding = [0xFF; 64]),
                    1 => offer.commitments.clear(),
                    _ => offer.first = u64::MAX - 2,
                }
                vec![offer.into()]
            }
            (Self::WrongShares | Self::Equivocate | Self::Refuse | Self::Garbage, message) => {
                vec![message]
            }
        }
    }
}
