//! What is owed reaches the readers, whatever happens to the broker.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use crate::common::{
    LIMIT, Ledger, QUEUES, Reader, id, message, must_publisher, must_start, must_take,
};
use lapin::options::QueueDeleteOptions;
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use trestle_actors::ports::PublishEvents as _;
use trestle_devnet::{RabbitMq, wait};
use trestle_store::StoreError;
use trestle_store_events::{Broker, Drain, FailureLabels, Metrics, QueueType};

/// A running drain and what it drains.
struct Running {
    ledger: Arc<Ledger>,
    publisher: Arc<Broker>,
    metrics: Metrics,
    newest: watch::Sender<u64>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), StoreError>>,
}

impl Running {
    fn start(rabbit: &RabbitMq, queue_type: QueueType, owed: u64) -> Self {
        let (publisher, metrics) = must_publisher(rabbit, queue_type);
        let publisher = Arc::new(publisher);
        let (newest, woken) = watch::channel(owed);
        let stop = CancellationToken::new();
        let ledger = Arc::new(Ledger::new(owed));
        let drain =
            Drain::new(Arc::clone(&ledger) as _, Arc::clone(&publisher) as _, metrics.clone());
        let task = tokio::spawn(drain.run(woken, stop.clone()));
        Self { ledger, publisher, metrics, newest, stop, task }
    }

    fn owe_up_to(&self, number: u64) {
        self.ledger.owe_up_to(number);
        self.newest.send_replace(number);
    }

    async fn must_empty(&self) {
        let empty = wait::until("everything to be published", LIMIT, async || {
            Ok((self.ledger.left() == 0).then_some(()))
        });
        if let Err(error) = empty.await {
            let (left, health) = (self.ledger.left(), self.publisher.health());
            panic!("{error}: {left} left, broker {health:?}");
        }
    }

    async fn must_stop(self) {
        self.stop.cancel();
        let ended = timeout(LIMIT, self.task).await.expect("it ends");
        ended.expect("without a panic").expect("and in good order");
    }
}

/// Reads both queues until every one of these messages has come; the order of first sight in each
/// queue.
async fn must_read(url: &str, numbers: RangeInclusive<u64>) -> BTreeMap<String, Vec<u64>> {
    let mut readers = JoinSet::new();
    for queue in QUEUES {
        let of_queue = |number: &u64| message(*number).queue == queue;
        let mut missing: BTreeMap<_, _> = numbers
            .clone()
            .filter(of_queue)
            .map(|number| (message(number).message_id, number))
            .collect();
        let url = url.to_owned();
        readers.spawn(async move {
            let reader = Reader::must_connect(&url).await;
            let mut consumer = reader.must_consume(queue.name()).await;
            let mut order = Vec::new();
            while !missing.is_empty() {
                let delivery = must_take(&mut consumer).await;
                if let Some(number) = missing.remove(&id(&delivery)) {
                    assert_eq!(
                        delivery.data,
                        message(number).body,
                        "the body that belongs to the id"
                    );
                    order.push(number);
                }
            }
            (queue.name().to_owned(), order)
        });
    }
    readers.join_all().await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain__should_publish_in_order_what_was_owed_before_and_what_comes() {
    // Given more than one batch from an earlier run
    let rabbit = must_start().await;

    // When
    let running = Running::start(&rabbit, QueueType::Quorum, 150);
    running.must_empty().await;
    running.owe_up_to(200);
    let read = timeout(LIMIT, must_read(&rabbit.url(), 1..=200)).await.expect("all come");
    running.must_empty().await;

    // Then
    for (queue, order) in read {
        assert!(order.is_sorted(), "{queue}: {order:?}");
    }
    let metrics = running.metrics.clone();
    wait::until("the figures to say so", LIMIT, async || {
        Ok((metrics.owed.get() == 0 && metrics.waiting_seconds.get() == 0).then_some(()))
    })
    .await
    .expect("nothing is owed");
    assert_eq!(metrics.connections.get(), 1);
    running.must_stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain__should_lose_nothing_when_the_broker_restarts_in_mid_stream() {
    nothing_is_lost(QueueType::Quorum, async |rabbit| rabbit.stop().await).await;
}

// Not with quorum queues: after SIGKILL one of RabbitMQ 3.10's may stay without a leader until the
// broker is restarted once more, and then nobody can use it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain__should_lose_nothing_when_the_broker_crashes_in_mid_stream() {
    nothing_is_lost(QueueType::Classic, async |rabbit| rabbit.crash()).await;
}

async fn nothing_is_lost(
    queue_type: QueueType,
    end: impl AsyncFnOnce(&mut RabbitMq) -> eyre::Result<()>,
) {
    // Given a stream that has begun
    let mut rabbit = must_start().await;
    let running = Running::start(&rabbit, queue_type, 20_000);
    let begun = wait::until("some to be published", LIMIT, async || {
        Ok((running.ledger.left() < 20_000).then_some(()))
    });
    begun.await.expect("it goes on");

    // When the broker is cut off, more is owed meanwhile, and it comes back
    end(&mut rabbit).await.expect("it ends");
    running.owe_up_to(20_100);
    let left = running.ledger.left();
    assert!(left >= 100, "some stay owed meanwhile: {left} left");
    rabbit.start_again().await.expect("it starts again");

    // Then every message arrives, under its own id, and nothing stays owed.
    running.must_empty().await;
    let read = timeout(LIMIT, must_read(&rabbit.url(), 1..=20_100)).await.expect("all come");
    assert_eq!(read.values().map(Vec::len).sum::<usize>(), 20_100);
    assert!(running.metrics.connections.get() >= 2, "it has connected again");
    running.must_stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain__should_wait_for_a_broker_that_is_down_and_for_a_queue_that_is_gone() {
    // Given a broker that is down
    let mut rabbit = must_start().await;
    rabbit.stop().await.expect("it stops");
    let running = Running::start(&rabbit, QueueType::Quorum, 10);
    let metrics = running.metrics.clone();
    let tried = wait::until("two attempts", LIMIT, async || {
        let labels = FailureLabels { operation: "connect", queuename: "" };
        Ok((metrics.failures.get_or_create(&labels).get() >= 2).then_some(()))
    });
    tried.await.expect("it tries again");
    assert_eq!((metrics.owed.get(), metrics.connected.get()), (10, 0));
    assert_eq!(running.ledger.left(), 10);

    // When it comes, everything is published.
    rabbit.start_again().await.expect("it starts");
    running.must_empty().await;

    // When a queue is deleted, what comes next makes it again.
    let reader = Reader::must_connect(&rabbit.url()).await;
    let options = QueueDeleteOptions::default();
    let gone = reader.channel.queue_delete(QUEUES[0].name().into(), options);
    gone.await.expect("deleted");
    running.owe_up_to(20);
    running.must_empty().await;
    timeout(LIMIT, must_read(&rabbit.url(), 11..=20)).await.expect("all come");
    running.must_stop().await;
}
