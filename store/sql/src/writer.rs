//! The writer task: takes batches in the order they came, and commits those that wait together in
//! one transaction, since the flush to disk is what a commit costs.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use trestle_store::{Plan, StoreError};

use crate::engine::Engine;

/// Batches that may wait for the writer; more wait at the sender. Each actor has few commits under
/// way, so this is only reached when the disk is far behind.
pub(crate) const QUEUE: usize = 256;

/// Most batches in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 128;

/// A group takes no more batches beyond this many bytes: bounds what is sent at once.
const GROUP_BYTES: usize = 16 << 20;

/// Between attempts to settle an unknown outcome.
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) type Answer = oneshot::Sender<Result<(), StoreError>>;

/// What the writer is asked.
pub(crate) enum Job {
    /// Commit this.
    Commit(Plan, Answer),
    /// Let go of the database and end.
    Close(oneshot::Sender<()>),
}

/// Runs until it is told to close or all senders are gone. `settled` is false while the outcome of
/// a commit is unknown and may still change: reads wait for it.
pub(crate) async fn run<E: Engine>(
    mut engine: E,
    mut jobs: mpsc::Receiver<Job>,
    settled: watch::Sender<bool>,
) {
    let mut closing = None;
    while closing.is_none()
        && let Some(job) = jobs.recv().await
    {
        let (plans, answers) = gather(job, &mut jobs, &mut closing);
        let unknown = commit(&mut engine, &plans, answers, &settled).await;
        if unknown && !settle(&mut engine, &mut jobs, &mut closing).await {
            break;
        }
        settled.send_replace(true);
    }
    engine.close().await;
    // With its lock: whoever hears that it is closed may open it again.
    drop(engine);
    if let Some(closed) = closing {
        // Whoever asked may be gone.
        let _ = closed.send(());
    }
}

type Closing = Option<oneshot::Sender<()>>;

/// The job and those that wait behind it, within bounds.
fn gather(
    first: Job,
    jobs: &mut mpsc::Receiver<Job>,
    closing: &mut Closing,
) -> (Vec<Plan>, Vec<Answer>) {
    let (mut plans, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
    let mut next = Some(first);
    while let Some(job) = next {
        match job {
            Job::Commit(plan, answer) => {
                bytes = bytes.saturating_add(plan.size());
                plans.push(plan);
                answers.push(answer);
            }
            Job::Close(closed) => {
                *closing = Some(closed);
                break;
            }
        }
        let room = plans.len() < GROUP && bytes < GROUP_BYTES;
        next = if room { jobs.try_recv().ok() } else { None };
    }
    (plans, answers)
}

/// Commits a group and answers. Returns whether an outcome is unknown.
async fn commit<E: Engine>(
    engine: &mut E,
    plans: &[Plan],
    answers: Vec<Answer>,
    settled: &watch::Sender<bool>,
) -> bool {
    if plans.is_empty() {
        return false;
    }
    let outcomes = match engine.transact(plans).await {
        Ok(outcomes) => outcomes,
        // One batch may be what does not fit on the disk: give each its own chance.
        Err(StoreError::Unavailable(_)) if plans.len() > 1 => one_by_one(engine, plans).await,
        Err(e) => vec![Err(e); plans.len()],
    };
    let unknown = outcomes.iter().any(|outcome| matches!(outcome, Err(StoreError::Unknown(_))));
    // Before the answers: a caller that is told "unknown" reads next.
    settled.send_replace(!unknown);
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        // A caller that went away does not want to know.
        let _ = answer.send(outcome);
    }
    unknown
}

/// After an unknown outcome nothing more is tried: what follows may rest on it.
async fn one_by_one<E: Engine>(engine: &mut E, plans: &[Plan]) -> Vec<Result<(), StoreError>> {
    let mut outcomes = Vec::with_capacity(plans.len());
    let mut stopped: Option<StoreError> = None;
    for plan in plans {
        let outcome = match &stopped {
            Some(StoreError::Unknown(why)) => Err(StoreError::Unavailable(why.clone())),
            Some(why) => Err(why.clone()),
            None => match engine.transact(std::slice::from_ref(plan)).await {
                Ok(mut one) => one.pop().unwrap_or(Ok(())),
                Err(e) => Err(e),
            },
        };
        if let Err(e @ (StoreError::Unknown(_) | StoreError::NotOwner(_))) = &outcome
            && stopped.is_none()
        {
            stopped = Some(e.clone());
        }
        outcomes.push(outcome);
    }
    outcomes
}

/// Tries to settle until it is done or nobody is left. Meanwhile commits are refused. Returns
/// whether the writer goes on.
async fn settle<E: Engine>(
    engine: &mut E,
    jobs: &mut mpsc::Receiver<Job>,
    closing: &mut Closing,
) -> bool {
    loop {
        let why = match engine.settle().await {
            // Taken over: what was committed is settled by the new owner's lock, and every later
            // commit says so.
            Ok(()) | Err(StoreError::NotOwner(_)) => return true,
            Err(why) => why,
        };
        tracing::warn!(%why, "the outcome of a commit is still unknown");
        loop {
            match jobs.try_recv() {
                Ok(Job::Commit(_, answer)) => {
                    let _ = answer.send(Err(StoreError::Unavailable(why.to_string())));
                }
                Ok(Job::Close(closed)) => {
                    *closing = Some(closed);
                    return false;
                }
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return false,
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
