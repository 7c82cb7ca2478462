//! One publisher on a real RabbitMQ: what stands there afterwards, what readers get, and what is
//! said when it does not work.

use std::{process::Command, time::Duration};

use crate::common::{
    LIMIT, QUEUES, Reader, id, message, must_next, must_publisher, must_settings, must_start,
    must_take,
};
use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, BasicRejectOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use trestle_actors::ports::{EventHealth, PublishError, PublishEvents};
use trestle_devnet::{Port, RabbitMq, wait};
use trestle_staking::events::{Event, Queue};
use trestle_store_events::{
    Broker, FailureLabels, Metrics, QueueLabel, QueueType, Settings,
    topology::{ATTEMPTS_HEADER, delay_queue},
};

const NAME: &str = "btc_info_queue";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker__should_declare_queues_that_delay_and_take_dead_letters() {
    let rabbit = must_start().await;
    // One virtual host with each kind of queue.
    rabbit.control(&["add_vhost", "classic"]).await.expect("a virtual host");
    let rights = ["set_permissions", "-p", "classic", "trestle", ".*", ".*", ".*"];
    rabbit.control(&rights).await.expect("permissions");
    let classic = rabbit.url().replace("%2f", "classic");
    for (vhost, url, kind) in
        [("/", rabbit.url(), QueueType::Quorum), ("classic", classic, QueueType::Classic)]
    {
        let publisher = Broker::new(must_settings(&url, kind), Metrics::default());
        publisher.declare().await.expect("the queues are made");
        assert_eq!(publisher.health(), EventHealth::Connected);
        topology_stands(&rabbit, vhost, kind).await;
        message_makes_its_rounds(&publisher, &url).await;
        // Who comes later finds all as it would make it itself.
        let other = Broker::new(must_settings(&url, kind), Metrics::default());
        other.declare().await.expect("the same settings");
    }
}

/// As `rabbitmqctl` sees it, which does not go through our own code.
async fn topology_stands(rabbit: &RabbitMq, vhost: &str, kind: QueueType) {
    let columns = ["list_queues", "-p", vhost, "name", "type", "durable", "arguments"];
    let listed = rabbit.control(&columns).await.expect("a list");
    let mut queues: Vec<_> =
        listed.lines().map(|line| line.split('\t').collect::<Vec<_>>()).collect();
    queues.sort();
    let mut expected = Vec::new();
    for queue in Queue::ALL {
        let name = queue.name();
        expected.push((name.to_owned(), "common_dlx".to_owned(), format!("{name}_routing_key")));
        expected.push((format!("{name}_delay"), String::new(), name.to_owned()));
    }
    expected.sort();
    assert_eq!(queues.len(), expected.len(), "{listed}");
    for (queue, (name, exchange, key)) in queues.iter().zip(&expected) {
        assert_eq!(queue[..3], [name.as_str(), kind.name(), "true"]);
        for (argument, value) in [
            ("x-queue-type", kind.name()),
            ("x-dead-letter-exchange", exchange.as_str()),
            ("x-dead-letter-routing-key", key.as_str()),
        ] {
            // What rabbitmqctl makes of an empty string.
            let value = if value.is_empty() { "[]".into() } else { format!("\"{value}\"") };
            let pair = format!("{{\"{argument}\",{value}}}");
            assert!(queue[3].contains(&pair), "{name}: expected {pair} in {}", queue[3]);
        }
    }
    let columns = ["list_exchanges", "-p", vhost, "name", "type", "durable"];
    let exchanges = rabbit.control(&columns).await.expect("a list");
    assert!(exchanges.lines().any(|line| line == "common_dlx\tdirect\ttrue"), "{exchanges}");
    let columns = ["list_bindings", "-p", vhost, "source_name", "destination_name", "routing_key"];
    let bindings = rabbit.control(&columns).await.expect("a list");
    for queue in Queue::ALL.map(Queue::name) {
        let binding = format!("common_dlx\t{queue}_delay\t{queue}_routing_key");
        assert!(bindings.lines().any(|line| line == binding), "{binding} in {bindings}");
    }
}

/// Published, rejected into the delay queue, put there again with a time to live, and back.
async fn message_makes_its_rounds(publisher: &Broker, url: &str) {
    // Given
    let sent = message(1);
    let outcomes = publisher.publish(vec![sent.clone()]).await.expect("the broker answers");
    assert_eq!(outcomes, [Ok(())]);

    // Then it is what the reference services send.
    let reader = Reader::must_connect(url).await;
    let mut queue = reader.must_consume(NAME).await;
    let first = must_next(&mut queue).await;
    let properties = &first.properties;
    assert_eq!(properties.content_type().as_ref().map(ShortString::as_str), Some("text/plain"));
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!(id(&first), sent.message_id);
    assert_eq!(attempts(properties), Some(&AMQPValue::LongInt(0)));
    assert_eq!(first.data, sent.body);
    Event::from_json(Queue::BtcInfo, &first.data).expect("of its schema");

    // When a reader rejects it, it goes into the delay queue.
    first.reject(BasicRejectOptions { requeue: false }).await.expect("rejected");
    let mut delayed = reader.must_consume(&delay_queue(Queue::BtcInfo)).await;
    assert_eq!(id(&must_take(&mut delayed).await), sent.message_id);
    // Nobody reads there from now on.
    let tag = delayed.tag();
    let cancel = lapin::options::BasicCancelOptions::default();
    reader.channel.basic_cancel(tag, cancel).await.expect("cancelled");

    // When a reader puts a copy there with a time to live, it comes back.
    let mut headers = FieldTable::default();
    headers.insert(ATTEMPTS_HEADER.into(), AMQPValue::LongInt(1));
    let copy = BasicProperties::default()
        .with_message_id(sent.message_id.as_str().into())
        .with_headers(headers)
        .with_expiration("50".into());
    let delay = delay_queue(Queue::BtcInfo);
    let options = BasicPublishOptions::default();
    let put =
        reader.channel.basic_publish("".into(), delay.as_str().into(), options, &sent.body, copy);
    put.await.expect("published");
    let again = must_take(&mut queue).await;
    assert_eq!((id(&again), &again.data), (sent.message_id, &sent.body));
    assert_eq!(attempts(&again.properties), Some(&AMQPValue::LongInt(1)));
}

fn attempts(properties: &BasicProperties) -> Option<&AMQPValue> {
    properties.headers().as_ref()?.inner().get(ATTEMPTS_HEADER)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker__should_take_a_returned_message_for_a_failure_and_make_the_queue_again() {
    // Given a queue that was deleted after it was declared
    let rabbit = must_start().await;
    let (publisher, metrics) = must_publisher(&rabbit, QueueType::Quorum);
    publisher.declare().await.expect("the queues are made");
    let reader = Reader::must_connect(&rabbit.url()).await;
    let deleted = reader.channel.queue_delete(NAME.into(), QueueDeleteOptions::default());
    deleted.await.expect("deleted");

    // When
    let batch = vec![message(1), message(5), message(2)];
    let outcomes = publisher.publish(batch.clone()).await.expect("the broker answers");

    // Then only the one for the other queue counts.
    let lost = PublishError::Unroutable { queue: NAME, reason: "NO_ROUTE".into() };
    assert_eq!(outcomes, [Err(lost.clone()), Ok(()), Err(lost.clone())]);
    assert_eq!(publisher.health(), EventHealth::Failed(lost));
    assert_eq!(published(&metrics), [0, 1]);
    assert_eq!(failures(&metrics, "sendMessage", NAME), 2);

    // And the next attempt goes through, on the same connection.
    let outcomes = publisher.publish(batch).await.expect("the broker answers");
    assert_eq!(outcomes, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(publisher.health(), EventHealth::Connected);
    assert_eq!((published(&metrics), metrics.connections.get()), ([2, 2], 1));
    let mut queue = reader.must_consume(NAME).await;
    for number in [1, 2] {
        assert_eq!(id(&must_take(&mut queue).await), message(number).message_id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker__should_say_clearly_why_it_cannot_publish() {
    let rabbit = must_start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    let url = rabbit.url_without_password();
    let settings =
        Settings::new(&url, Some(password.clone()), QueueType::Quorum).expect("settings");
    let metrics = Metrics::default();
    let publisher = Broker::new(settings, metrics.clone());

    // No password, a wrong one
    let refused = publisher.declare().await.expect_err("no file");
    assert!(refused.to_string().contains(&password.display().to_string()), "{refused}");
    std::fs::write(&password, "hunter2\n").expect("a file");
    let refused = publisher.declare().await.expect_err("a wrong password");
    assert!(
        matches!(&refused, PublishError::Refused { user, .. } if user == "trestle"),
        "{refused}"
    );
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
    assert_eq!(publisher.health(), EventHealth::Failed(refused));
    assert_eq!((metrics.connected.get(), failures(&metrics, "connect", "")), (0, 2));

    // The right one, without a new publisher
    std::fs::write(&password, format!("{}\n", rabbit.password())).expect("a file");
    publisher.declare().await.expect("logged in");
    assert_eq!(metrics.connected.get(), 1);

    // Another virtual host
    let elsewhere = must_settings(&rabbit.url().replace("%2f", "nowhere"), QueueType::Quorum);
    let refused = Broker::new(elsewhere, Metrics::default()).declare().await;
    let refused = refused.expect_err("no such virtual host");
    assert!(
        matches!(&refused, PublishError::Refused { vhost, .. } if vhost == "nowhere"),
        "{refused}"
    );

    // Queues of another kind
    let other = Broker::new(must_settings(&rabbit.url(), QueueType::Classic), Metrics::default());
    let refused = other.declare().await.expect_err("they are quorum queues");
    assert!(matches!(refused, PublishError::Declared { .. }), "{refused}");
    assert!(refused.to_string().contains("queue_type"), "{refused}");

    // Nobody there
    let port = Port::free().expect("a port");
    let nobody =
        must_settings(&format!("amqp://me:hunter2@127.0.0.1:{}", port.number()), QueueType::Quorum);
    let refused = Broker::new(nobody, Metrics::default()).declare().await.expect_err("nobody");
    let text = refused.to_string();
    assert!(text.contains(&format!("127.0.0.1:{}", port.number())), "{text}");
    assert!(matches!(refused, PublishError::Unreachable { .. }), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker__should_notice_a_connection_that_died_silently() {
    // Given a connection that works
    let rabbit = must_start().await;
    let url = format!("{}?heartbeat=1", rabbit.url());
    let settings = must_settings(&url, QueueType::Quorum).with_patience(Duration::from_secs(5));
    let metrics = Metrics::default();
    let publisher = Broker::new(settings, metrics.clone());
    assert_eq!(publisher.publish(vec![message(1)]).await, Ok(vec![Ok(())]));

    // When the broker says nothing any more, without closing anything
    signal(&rabbit, "STOP");

    // Then that is noticed though nothing is published; and when it is, it is an error.
    let silent = wait::until("the silence to be noticed", LIMIT, async || {
        Ok(publisher.declare().await.err())
    });
    let silent = silent.await.expect("noticed");
    assert!(matches!(silent, PublishError::Unreachable { .. }), "{silent}");
    let refused = publisher.publish(vec![message(2)]).await.expect_err("nobody answers");
    assert!(matches!(refused, PublishError::Unreachable { .. }), "{refused}");
    assert_eq!(metrics.connections.get(), 1);

    // And it works again when the broker does.
    signal(&rabbit, "CONT");
    let back = wait::until("the broker to take a message", LIMIT, async || {
        Ok(publisher.publish(vec![message(2)]).await.ok())
    });
    assert_eq!(back.await.expect("it comes back"), [Ok(())]);
    assert_eq!((metrics.connections.get(), publisher.health()), (2, EventHealth::Connected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker__should_not_meddle_with_queues_that_stand_with_other_settings() {
    // Given a queue that somebody made without dead letters
    let rabbit = must_start().await;
    let reader = Reader::must_connect(&rabbit.url()).await;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let made = reader.channel.queue_declare(NAME.into(), durable, FieldTable::default());
    made.await.expect("made");

    // When
    let (publisher, metrics) = must_publisher(&rabbit, QueueType::Quorum);
    let refused = publisher.publish(vec![message(1)]).await.expect_err("not ours");

    // Then nothing is published, and it says which queue it is.
    assert!(
        matches!(&refused, PublishError::Declared { what, .. } if what.contains(NAME)),
        "{refused}"
    );
    assert_eq!((published(&metrics), failures(&metrics, "declare", "")), ([0, 0], 1));
    let deleted = reader.channel.queue_delete(NAME.into(), QueueDeleteOptions::default());
    assert_eq!(deleted.await.expect("deleted"), 0, "it is empty");
    assert_eq!(publisher.publish(vec![message(1)]).await, Ok(vec![Ok(())]));
}

/// Messages counted as published, by the queues of the tests.
fn published(metrics: &Metrics) -> [u64; 2] {
    QUEUES.map(|queue| {
        let label = QueueLabel { queue: queue.name() };
        metrics.published.get_or_create(&label).get()
    })
}

fn failures(metrics: &Metrics, operation: &'static str, queuename: &'static str) -> u64 {
    let labels = FailureLabels { operation, queuename };
    metrics.failures.get_or_create(&labels).get()
}

fn signal(rabbit: &RabbitMq, name: &str) {
    let sent = Command::new("kill").args(["-s", name]).arg(rabbit.pid().to_string()).status();
    assert!(sent.expect("kill runs").success());
}
