//! Where an actor's letters come from: its mailbox, and what was put aside while its store was away.
//!
//! Always holds: letters are handled in the order in which they came, save those that are answered
//! while the store is away; no more are put aside than the actor says.

use std::{collections::VecDeque, convert::Infallible};

use tokio::sync::mpsc;

use super::{Actor, Fault, Letter};

/// The reading side of a mailbox.
pub(super) struct Desk<I> {
    mailbox: mpsc::Receiver<Letter<I>>,
    aside: VecDeque<Letter<I>>,
}

impl<I: Send> Desk<I> {
    pub(super) fn new(mailbox: mpsc::Receiver<Letter<I>>) -> Self {
        Self { mailbox, aside: VecDeque::new() }
    }

    /// The next letter; `None`: nobody can send any more.
    pub(super) async fn next(&mut self) -> Option<Letter<I>> {
        match self.aside.pop_front() {
            Some(letter) => Some(letter),
            None => self.mailbox.recv().await,
        }
    }

    /// Answers what has no time while the store is away, until this is dropped. Once there is no
    /// room aside, letters stay in the mailbox.
    pub(super) async fn answer<A: Actor<Input = I>>(
        &mut self,
        actor: &mut A,
        fault: &Fault,
    ) -> Infallible {
        while self.aside.len() < A::ASIDE {
            let Some(letter) = self.mailbox.recv().await else { break };
            match A::away(&letter.input) {
                Some(answer) => answer(actor, fault),
                None => self.aside.push_back(letter),
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use std::{
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use futures::future::{BoxFuture, ready};
    use prometheus_client::metrics::counter::Counter;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;
    use trestle_store::{Batch, Op, Row, Scan, Space, Store, StoreError, memory::MemoryStore};
    use trestle_wire::Ack;

    use super::*;
    use crate::{
        ports::Clock,
        runtime::{ActorStatus, Away, Mailbox, run},
    };

    /// A disk that may be full.
    #[derive(Clone)]
    struct Disk {
        rows: MemoryStore,
        full: Arc<AtomicBool>,
    }

    impl Store for Disk {
        fn get<'a>(
            &'a self,
            space: Space,
            key: &'a [u8],
        ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
            self.rows.get(space, key)
        }
        fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
            self.rows.scan(space, scan)
        }
        fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
            if self.full.load(Ordering::SeqCst) {
                let why = StoreError::Unavailable("the disk is full".into());
                return Box::pin(ready(Err(why)));
            }
            self.rows.commit(batch)
        }
    }

    /// Stores something for every input, and answers those that begin with a question mark.
    struct Clerk {
        disk: Disk,
        restarts: Counter,
        said: Arc<Mutex<Vec<String>>>,
    }

    impl Clerk {
        fn say(&self, what: String) {
            self.said.lock().expect("no test panics with it").push(what);
        }
    }

    impl Actor for Clerk {
        const ASIDE: usize = 2;

        type Input = &'static str;
        type Job = Infallible;

        fn store(&self) -> &dyn Store {
            &self.disk
        }
        fn restarts(&self) -> &Counter {
            &self.restarts
        }
        async fn load(&mut self) -> Result<Vec<Infallible>, Fault> {
            Ok(Vec::new())
        }
        async fn handle(&mut self, input: &'static str) -> Result<(Ack, Vec<Infallible>), Fault> {
            let mut batch = Batch::new();
            batch.push(Op::Put("clerk", Vec::new(), Vec::new()));
            self.disk.commit(batch).await?;
            self.say(format!("{input} done"));
            Ok((Ack::Accepted, Vec::new()))
        }
        fn away(input: &&'static str) -> Option<Away<Self>> {
            let input = input.strip_prefix('?')?;
            Some(Box::new(move |clerk, fault| clerk.say(format!("{input} refused: {fault}"))))
        }
        fn next_wake(&self) -> Option<u64> {
            None
        }
        fn tick() -> &'static str {
            "tick"
        }
    }

    struct NoClock;

    impl Clock for NoClock {
        fn now_ms(&self) -> u64 {
            0
        }
    }

    #[tokio::test]
    async fn letters__should_be_answered_at_once_or_wait_while_the_store_is_away() {
        // given
        let disk = Disk { rows: MemoryStore::new(), full: Arc::default() };
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let (restarts, full) = (Counter::default(), Arc::clone(&disk.full));
        let clerk = Clerk { disk, restarts, said: Arc::clone(&said) };
        let (mailbox, letters) = Mailbox::new(8);
        let (status, mut health) = watch::channel(ActorStatus::Loading);
        let never = |job: Infallible| match job {};
        let stop = CancellationToken::new();
        let running =
            tokio::spawn(run(clerk, letters, Arc::new(NoClock), never, status, stop.clone()));
        let is_running = |status: &ActorStatus| *status == ActorStatus::Running;
        health.wait_for(is_running).await.expect("it starts");
        let so_far = || std::mem::take(&mut *said.lock().expect("no test panics with it"));
        let quiet = || tokio::time::sleep(Duration::from_millis(50));

        // when: the first one finds the disk full; the last one finds no room aside
        full.store(true, Ordering::SeqCst);
        for input in ["?a", "b", "?c", "d", "?e"] {
            assert!(mailbox.send(input).await);
        }
        quiet().await;

        // then
        let refused =
            |input| format!("{input} refused: the store is unavailable: the disk is full");
        assert_eq!(so_far(), [refused("a"), refused("c")]);

        // when
        full.store(false, Ordering::SeqCst);
        health.wait_for(is_running).await.expect("it goes on");
        quiet().await;

        // then
        assert_eq!(so_far(), ["b done", "d done", "?e done"]);
        stop.cancel();
        assert_eq!(running.await.expect("it does not panic"), Ok(()));
    }
}
