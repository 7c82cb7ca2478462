//! The part of a block's work that needs no state, and so can be done on any thread ahead of time:
//! identifying stakes, which costs a Taproot tweak each, and looking at every input.

use std::sync::Arc;

use bitcoin::{Block, OutPoint, consensus::serialize, hashes::Hash};
use futures::future::join_all;
use trestle_staking::{
    GlobalParams, VersionParams,
    identify::{Identifier, Staking},
};

use crate::{
    follower::Step,
    ports::{Compute, compute},
};

/// A step, looked at.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) step: Step,
    pub(super) content: Content,
}

/// What a block holds as far as the parameters alone can tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// In the block's order.
    pub(super) stakes: Vec<FoundStake>,
    /// Staking transactions that the parameters do not allow.
    pub(super) invalid: u32,
    /// In the block's order.
    pub(super) inputs: Vec<FoundInput>,
}

/// A valid stake.
#[derive(Clone, Debug)]
pub(super) struct FoundStake {
    pub(super) stake: Staking,
    pub(super) bytes: Vec<u8>,
}

/// An input: what it spends, shortened.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundInput {
    pub(super) print: u64,
    pub(super) tx: u32,
    pub(super) input: u32,
}

/// A short form of an outpoint: half of its transaction id, which is as good as random. Two that
/// collide cost a look-up and nothing else.
pub(super) fn fingerprint(outpoint: OutPoint) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = outpoint.txid.to_byte_array();
    u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from(outpoint.vout).rotate_left(32)
}

impl Prepared {
    /// Looks at a step.
    pub fn new(step: &Step, params: &GlobalParams) -> Self {
        Self::with(step, params, &mut None)
    }

    /// Looks at steps one after another: cheaper than one by one, since many stakes share few
    /// providers, whose keys are checked once.
    pub fn all(steps: &[Step], params: &GlobalParams) -> Vec<Self> {
        let mut known = None;
        steps.iter().map(|step| Self::with(step, params, &mut known)).collect()
    }

    /// The step.
    pub const fn step(&self) -> &Step {
        &self.step
    }

    fn with<'p>(
        step: &Step,
        params: &'p GlobalParams,
        known: &mut Option<(u64, Identifier<'p>)>,
    ) -> Self {
        let content = match step {
            Step::Connect { height, block, .. } => {
                let params = params.params_at(*height);
                Content::new(block, params.map(|params| identifier(known, params)))
            }
            Step::Disconnect { .. } => Content::default(),
        };
        Self { step: step.clone(), content }
    }
}

/// The identifier of these parameters, with what it has learned so far.
fn identifier<'k, 'p>(
    known: &'k mut Option<(u64, Identifier<'p>)>,
    params: &'p VersionParams,
) -> &'k mut Identifier<'p> {
    if known.as_ref().is_some_and(|(version, _)| *version != params.version) {
        *known = None;
    }
    &mut known.get_or_insert_with(|| (params.version, Identifier::new(params))).1
}

impl Content {
    /// `None` below the first activation height: only spends are looked at.
    fn new(block: &Block, mut identifier: Option<&mut Identifier<'_>>) -> Self {
        let mut found = Self::default();
        let stakes = identifier.as_mut().map(|identifier| identifier.identify_all(&block.txdata));
        for stake in stakes.unwrap_or_default() {
            let transaction = block.txdata.get(stake.place);
            match transaction.filter(|_| stake.allowed.is_ok()) {
                Some(transaction) => {
                    let bytes = serialize(transaction);
                    found.stakes.push(FoundStake { stake, bytes });
                }
                None => found.invalid = found.invalid.saturating_add(1),
            }
        }
        for (tx, transaction) in block.txdata.iter().enumerate() {
            for (input, txin) in transaction.input.iter().enumerate() {
                // No block has room for that many.
                let (Ok(tx), Ok(input)) = (u32::try_from(tx), u32::try_from(input)) else {
                    continue;
                };
                let print = fingerprint(txin.previous_output);
                found.inputs.push(FoundInput { print, tx, input });
            }
        }
        found
    }
}

/// As [`Prepared::all`], on as many threads as the pool has. `None` if the pool is shutting down.
///
/// The pieces are of several blocks each: enough for a piece of work to be worth its way to another
/// thread, few enough for all threads to have some.
pub async fn prepare(
    pool: &dyn Compute,
    params: &Arc<GlobalParams>,
    steps: Vec<Step>,
) -> Option<Vec<Prepared>> {
    const PIECE: usize = 8;
    let pieces: Vec<Vec<Step>> = steps.chunks(PIECE).map(<[Step]>::to_vec).collect();
    let work = pieces.into_iter().map(|piece| {
        let params = Arc::clone(params);
        compute(pool, move || Prepared::all(&piece, &params))
    });
    let done: Option<Vec<Vec<Prepared>>> = join_all(work).await.into_iter().collect();
    Some(done?.into_iter().flatten().collect())
}
