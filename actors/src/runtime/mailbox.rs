//! An actor's mailbox: bounded, so that what peers send cannot pile up.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
    registry::Registry,
};
use tokio::sync::{mpsc, oneshot};
use trestle_wire::Ack;

/// An input, and whoever waits to hear that it was handled.
#[derive(Debug)]
pub struct Letter<I> {
    /// The input.
    pub input: I,
    /// Hears the answer once what followed from the input is stored.
    pub ack: Option<oneshot::Sender<Ack>>,
}

impl<I> From<I> for Letter<I> {
    fn from(input: I) -> Self {
        Self { input, ack: None }
    }
}

/// The sending side.
#[derive(Debug)]
pub struct Mailbox<I> {
    sender: mpsc::Sender<Letter<I>>,
}

impl<I> Clone for Mailbox<I> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone() }
    }
}

/// What became of an offered letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is in the mailbox.
    Taken,
    /// There was no room; the letter is gone.
    Full,
    /// The actor is gone.
    Closed,
}

impl<I: Send> Mailbox<I> {
    /// A mailbox with room for `room` letters, and its receiving side.
    pub fn new(room: usize) -> (Self, mpsc::Receiver<Letter<I>>) {
        let (sender, receiver) = mpsc::channel(room);
        (Self { sender }, receiver)
    }

    /// Puts our own work in, waiting for room. `false`: the actor is gone.
    pub async fn send(&self, input: I) -> bool {
        self.sender.send(input.into()).await.is_ok()
    }

    /// Offers what a peer sent; it is dropped when there is no room.
    pub fn offer(&self, letter: Letter<I>) -> Offered {
        match self.sender.try_send(letter) {
            Ok(()) => Offered::Taken,
            Err(mpsc::error::TrySendError::Full(_)) => Offered::Full,
            Err(mpsc::error::TrySendError::Closed(_)) => Offered::Closed,
        }
    }

    /// Letters that wait.
    pub fn depth(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }
}

impl<I: Send + 'static> Mailbox<I> {
    /// Registers `<actor>_mailbox_letters`: how many letters wait, counted whenever it is read, so
    /// that it is true of an actor that hangs as well. It does not keep the mailbox open.
    pub fn register(&self, registry: &mut Registry, actor: &str) {
        let registry = registry.sub_registry_with_prefix(actor);
        registry.register_collector(Box::new(Depth(self.sender.downgrade())));
    }
}

/// Counts the letters of a mailbox that is still open.
struct Depth<I>(mpsc::WeakSender<Letter<I>>);

impl<I> fmt::Debug for Depth<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Depth")
    }
}

impl<I: Send + 'static> Collector for Depth<I> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let waiting = self.0.upgrade().map_or(0, |sender| Mailbox { sender }.depth());
        let gauge = ConstGauge::new(i64::try_from(waiting).unwrap_or(i64::MAX));
        let help = "Letters that wait for the actor";
        let metric =
            encoder.encode_descriptor("mailbox_letters", help, None, gauge.metric_type())?;
        gauge.encode(metric)
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).expect("a String grows");
        text
    }

    #[test]
    fn mailbox__should_show_how_many_letters_wait_and_close_with_its_last_handle() {
        // given
        let mut registry = Registry::default();
        let (mailbox, mut letters) = Mailbox::new(4);
        mailbox.register(&mut registry, "committee");
        // when
        assert_eq!(mailbox.offer(1.into()), Offered::Taken);
        assert_eq!(mailbox.offer(2.into()), Offered::Taken);
        // then
        assert!(text(&registry).contains("\ncommittee_mailbox_letters 2\n"), "{}", text(&registry));
        assert!(letters.try_recv().is_ok());
        assert!(text(&registry).contains("\ncommittee_mailbox_letters 1\n"));
        // when
        drop(mailbox);
        assert!(letters.try_recv().is_ok());
        // then
        assert_eq!(letters.try_recv().err(), Some(mpsc::error::TryRecvError::Disconnected));
        assert!(text(&registry).contains("\ncommittee_mailbox_letters 0\n"));
    }
}
