//! The loop that feeds an actor: one input after another, and a tick when one is due.
//!
//! Always holds: after a fault nothing more is handled until the state has been read back from the
//! store, and whoever cannot wait for that hears so at once; a fault that reading back cannot mend
//! ends the loop, and with it the node.

use std::{future::Future, sync::Arc, time::Duration};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use trestle_store::{Batch, Store, Table};
use trestle_wire::Ack;

use super::{Fault, Letter, desk::Desk};
use crate::{
    committee::{CommitteeActor, CommitteeInput, away::Asked},
    coordinator::{CoordinatorActor, CoordinatorInput, Job},
    ports::Clock,
};

/// Longest wait between two tries to read the state back.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// Inputs in a row that may fail before the node gives up: a store that takes reads and refuses
/// every write must not look alive.
const MOST_FAULTS: u32 = 20;

/// One row, written to find out whether the store takes writes: a full disk still gives everything
/// back that is on it.
const PROBE: Table<[u8; 0], Vec<u8>> = Table::new("runtime.probe", 1);
/// Its size: more than most commits, so that where it has room they have.
const PROBE_BYTES: usize = 32 << 10;

/// Answers an input without the store, and is told why that is away.
pub type Away<A> = Box<dyn FnOnce(&mut A, &Fault) + Send>;

/// What the loop needs of an actor.
pub trait Actor: Sized + Send + 'static {
    /// Inputs that may be put aside while the store is away, to get at those that are answered.
    const ASIDE: usize = 0;

    /// What it handles.
    type Input: Send;
    /// What it has done for it.
    type Job: Send;

    /// Where its state is.
    fn store(&self) -> &dyn Store;
    /// Counts how often it was started again from the store after a fault.
    fn restarts(&self) -> &Counter;
    /// Reads the stored state in place of what is in memory.
    fn load(&mut self) -> impl Future<Output = Result<Vec<Self::Job>, Fault>> + Send;
    /// Handles one input.
    fn handle(
        &mut self,
        input: Self::Input,
    ) -> impl Future<Output = Result<(Ack, Vec<Self::Job>), Fault>> + Send;
    /// What answers an input while the store is away; `None`: the input waits. Nothing may be stored
    /// by it, nor done that would have to be stored first.
    fn away(_input: &Self::Input) -> Option<Away<Self>> {
        None
    }
    /// When the next tick is due, in milliseconds of the actor's clock.
    fn next_wake(&self) -> Option<u64>;
    /// The input that says that time passed.
    fn tick() -> Self::Input;
}

/// How an actor is, for `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActorStatus {
    /// Reading its state.
    Loading,
    /// Handling inputs.
    Running,
    /// Waiting for the store to come back.
    Waiting(String),
    /// Gone.
    Stopped,
}

/// Runs an actor until it is cancelled, its mailbox is closed or a fault cannot be mended.
///
/// # Errors
/// The fault that ended it.
pub async fn run<A: Actor>(
    mut actor: A,
    mailbox: mpsc::Receiver<Letter<A::Input>>,
    clock: Arc<dyn Clock>,
    mut carry_out: impl FnMut(A::Job) + Send,
    status: watch::Sender<ActorStatus>,
    cancel: CancellationToken,
) -> Result<(), Fault> {
    let mut faults = 0;
    let mut desk = Desk::new(mailbox);
    let ended = async {
        load(&mut actor, &mut desk, &mut carry_out, &status).await?;
        loop {
            let wake = actor.next_wake();
            let letter = tokio::select! {
                biased;
                letter = desk.next() => match letter {
                    Some(letter) => letter,
                    None => return Ok(()),
                },
                () = sleep_until(wake, &*clock) => A::tick().into(),
            };
            let away = A::away(&letter.input);
            match actor.handle(letter.input).await {
                Ok((ack, jobs)) => {
                    faults = 0;
                    jobs.into_iter().for_each(&mut carry_out);
                    if let Some(waiting) = letter.ack {
                        // The sender may have given up waiting.
                        let _ = waiting.send(ack);
                    }
                }
                Err(fault) => {
                    faults += 1;
                    if !fault.is_recoverable() || faults > MOST_FAULTS {
                        return Err(fault);
                    }
                    actor.restarts().inc();
                    tracing::error!(%fault, "an actor starts again from the store");
                    if let Some(answer) = away {
                        answer(&mut actor, &fault);
                    }
                    load(&mut actor, &mut desk, &mut carry_out, &status).await?;
                }
            }
        }
    };
    let result = tokio::select! {
        biased;
        () = cancel.cancelled() => Ok(()),
        result = ended => result,
    };
    status.send_replace(ActorStatus::Stopped);
    result
}

/// Writes the probe's row, with other bytes than before: a store may skip a write that changes
/// nothing.
async fn probe(store: &dyn Store) -> Result<(), Fault> {
    let before = PROBE.get(store, &[]).await?.and_then(|bytes| bytes.first().copied());
    let mut batch = Batch::new();
    PROBE.put(&mut batch, &[], &vec![before.unwrap_or_default().wrapping_add(1); PROBE_BYTES]);
    Ok(store.commit(batch).await?)
}

/// Reads the state, again and again while the store is away or takes no writes.
async fn load<A: Actor>(
    actor: &mut A,
    desk: &mut Desk<A::Input>,
    carry_out: &mut impl FnMut(A::Job),
    status: &watch::Sender<ActorStatus>,
) -> Result<(), Fault> {
    let mut wait = Duration::from_millis(100);
    loop {
        let loaded = match probe(actor.store()).await {
            Ok(()) => actor.load().await,
            Err(fault) => Err(fault),
        };
        match loaded {
            Ok(jobs) => {
                jobs.into_iter().for_each(carry_out);
                status.send_replace(ActorStatus::Running);
                return Ok(());
            }
            Err(fault) if fault.is_recoverable() => {
                status.send_replace(ActorStatus::Waiting(fault.to_string()));
                tokio::select! {
                    biased;
                    () = tokio::time::sleep(wait) => {}
                    never = desk.answer(actor, &fault) => match never {},
                }
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            Err(fault) => return Err(fault),
        }
    }
}

async fn sleep_until(wake: Option<u64>, clock: &dyn Clock) {
    match wake {
        Some(at) => {
            let wait = at.saturating_sub(clock.now_ms());
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
        None => std::future::pending().await,
    }
}

impl Actor for CommitteeActor {
    const ASIDE: usize = 512;

    type Input = CommitteeInput;
    type Job = std::convert::Infallible;

    fn store(&self) -> &dyn Store {
        Self::store(self)
    }
    fn restarts(&self) -> &Counter {
        Self::restarts(self)
    }
    async fn load(&mut self) -> Result<Vec<Self::Job>, Fault> {
        Self::load(self).await.map(|()| Vec::new())
    }
    async fn handle(&mut self, input: CommitteeInput) -> Result<(Ack, Vec<Self::Job>), Fault> {
        Self::handle(self, input).await.map(|ack| (ack, Vec::new()))
    }
    fn away(input: &CommitteeInput) -> Option<Away<Self>> {
        let asked = Asked::with(input)?;
        Some(Box::new(|actor, fault| actor.answer_away(asked, fault)))
    }
    fn next_wake(&self) -> Option<u64> {
        Self::next_wake(self)
    }
    fn tick() -> CommitteeInput {
        CommitteeInput::Tick
    }
}

impl Actor for CoordinatorActor {
    type Input = CoordinatorInput;
    type Job = Job;

    fn store(&self) -> &dyn Store {
        Self::store(self)
    }
    fn restarts(&self) -> &Counter {
        Self::restarts(self)
    }
    async fn load(&mut self) -> Result<Vec<Job>, Fault> {
        Self::load(self).await
    }
    async fn handle(&mut self, input: CoordinatorInput) -> Result<(Ack, Vec<Job>), Fault> {
        Self::handle(self, input).await
    }
    fn next_wake(&self) -> Option<u64> {
        Self::next_wake(self)
    }
    fn tick() -> CoordinatorInput {
        CoordinatorInput::Tick
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use trestle_store::{StoreError, memory::MemoryStore};

    use super::*;
    use crate::runtime::Mailbox;

    /// Fails at every input that says so.
    struct Fragile {
        store: MemoryStore,
        restarts: Counter,
    }

    impl Actor for Fragile {
        type Input = bool;
        type Job = ();

        fn store(&self) -> &dyn Store {
            &self.store
        }
        fn restarts(&self) -> &Counter {
            &self.restarts
        }
        async fn load(&mut self) -> Result<Vec<()>, Fault> {
            Ok(Vec::new())
        }
        async fn handle(&mut self, fails: bool) -> Result<(Ack, Vec<()>), Fault> {
            if fails {
                return Err(Fault::Store(StoreError::Unavailable("for this test".into())));
            }
            Ok((Ack::Accepted, Vec::new()))
        }
        fn next_wake(&self) -> Option<u64> {
            None
        }
        fn tick() -> bool {
            false
        }
    }

    struct NoClock;

    impl Clock for NoClock {
        fn now_ms(&self) -> u64 {
            0
        }
    }

    #[tokio::test]
    async fn restarts__should_count_the_faults_that_were_mended() {
        // Given
        let (mailbox, letters) = Mailbox::new(8);
        let restarts = Counter::default();
        let actor = Fragile { store: MemoryStore::new(), restarts: restarts.clone() };
        for fails in [false, true, true, false, true] {
            assert!(mailbox.send(fails).await);
        }
        drop(mailbox);
        let (status, _health) = watch::channel(ActorStatus::Loading);

        // When
        let ended =
            run(actor, letters, Arc::new(NoClock), |()| {}, status, CancellationToken::new()).await;

        // Then
        assert_eq!(ended, Ok(()));
        assert_eq!(restarts.get(), 3);
    }
}
