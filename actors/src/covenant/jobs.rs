//! Checking and signing a batch, beside the actor.

use std::sync::{Arc, LazyLock};

use bitcoin::secp256k1::{Message, Secp256k1, VerifyOnly, schnorr::Signature};
use futures::future::join_all;
use tokio::task::JoinSet;
use trestle_staking::GlobalParams;
use trestle_wire::staking::UnbondingRefusal;

use super::{CovenantInput, Metrics, Rules, check, order::Order};
use crate::{
    ports::{Compute, SignError, SignUnbonding, SigningOrder, compute},
    runtime::Mailbox,
};

static SECP: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

/// Checks done in one piece of work: worth its way to another thread.
const PIECE: usize = 25;

/// Check these and sign what passes.
#[derive(Debug)]
pub struct Job {
    /// The batch's number.
    pub batch: u64,
    /// What the checks go by.
    pub rules: Rules,
    /// At most as many as a message has.
    pub orders: Vec<Order>,
}

/// What jobs need.
#[derive(Clone)]
pub struct Means {
    /// The global parameters.
    pub global: Arc<GlobalParams>,
    /// Threads for heavy work.
    pub compute: Arc<dyn Compute>,
    /// Where the key is.
    pub signer: Arc<dyn SignUnbonding>,
    /// Counters.
    pub metrics: Metrics,
}

/// Carries jobs out, and brings the results to the actor's mailbox. Dropping it ends all of them.
pub struct Jobs {
    means: Means,
    mailbox: Mailbox<CovenantInput>,
    running: JoinSet<()>,
}

impl Jobs {
    /// Results go to `mailbox`.
    pub fn new(means: Means, mailbox: Mailbox<CovenantInput>) -> Self {
        Self { means, mailbox, running: JoinSet::new() }
    }

    /// Starts a job. The actor bounds how many are under way.
    pub fn start(&mut self, job: Job) {
        while self.running.try_join_next().is_some() {}
        let (means, mailbox) = (self.means.clone(), self.mailbox.clone());
        self.running.spawn(async move {
            if let Some(done) = carry_out(&means, job).await {
                mailbox.send(done).await;
            }
        });
    }
}

/// Carries a job out, and gives what goes back to the actor; `None` if the node is stopping.
pub async fn carry_out(means: &Means, job: Job) -> Option<CovenantInput> {
    let Job { batch, rules, orders } = job;
    let checked = checked(means, rules, orders).await?;
    let passed: Vec<SigningOrder> = checked.iter().filter_map(|one| one.clone().ok()).collect();
    let signatures = means.signer.sign_many(passed.clone()).await;
    let mut verified = verified(means, passed, signatures).await?.into_iter();
    let result = |one: Result<SigningOrder, UnbondingRefusal>| {
        // A signer that gives fewer answers than orders has given none for the rest.
        let none = Err(UnbondingRefusal::SignerUnavailable);
        one.and_then(|_| verified.next().unwrap_or(none))
    };
    let results = checked.into_iter().map(result).collect();
    Some(CovenantInput::Signed { batch, results })
}

async fn checked(
    means: &Means,
    rules: Rules,
    orders: Vec<Order>,
) -> Option<Vec<Result<SigningOrder, UnbondingRefusal>>> {
    let pieces: Vec<Vec<Order>> = orders.chunks(PIECE).map(<[Order]>::to_vec).collect();
    let work = pieces.into_iter().map(|piece| {
        let global = Arc::clone(&means.global);
        let check = move |order: &Order| {
            let unbonding = check(&global, &rules, order)?;
            Ok(SigningOrder::new(&unbonding, order.wanted.key))
        };
        compute(&*means.compute, move || piece.iter().map(check).collect::<Vec<_>>())
    });
    let done: Option<Vec<_>> = join_all(work).await.into_iter().collect();
    Some(done?.concat())
}

/// A signature counts when it verifies, whoever made it.
async fn verified(
    means: &Means,
    orders: Vec<SigningOrder>,
    signatures: Vec<Result<Signature, SignError>>,
) -> Option<Vec<Result<[u8; 64], UnbondingRefusal>>> {
    let both: Vec<_> = orders.into_iter().zip(signatures).collect();
    let pieces: Vec<Vec<_>> = both.chunks(PIECE).map(<[_]>::to_vec).collect();
    let work = pieces.into_iter().map(|piece| {
        let metrics = means.metrics.clone();
        let verify = move |(order, signature): (SigningOrder, Result<Signature, SignError>)| {
            verify(&order, signature, &metrics)
        };
        compute(&*means.compute, move || piece.into_iter().map(verify).collect::<Vec<_>>())
    });
    let done: Option<Vec<_>> = join_all(work).await.into_iter().collect();
    Some(done?.concat())
}

fn verify(
    order: &SigningOrder,
    signature: Result<Signature, SignError>,
    metrics: &Metrics,
) -> Result<[u8; 64], UnbondingRefusal> {
    let signature = signature.map_err(|error| {
        tracing::warn!(%error, "an unbonding could not be signed");
        match error {
            SignError::NotHeld(_) => UnbondingRefusal::NotHeld,
            SignError::Locked | SignError::Unavailable(_) | SignError::Malformed(_) => {
                UnbondingRefusal::SignerUnavailable
            }
        }
    })?;
    let message = Message::from_digest(order.sighash);
    let key = order.key.inner.x_only_public_key().0;
    if SECP.verify_schnorr(&signature, &message, &key).is_err() {
        metrics.bad_signatures.inc();
        tracing::error!(key = %order.key, "our own signer gave a signature that does not verify");
        return Err(UnbondingRefusal::SignerUnavailable);
    }
    Ok(signature.serialize())
}
