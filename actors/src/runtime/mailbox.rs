//! An actor's mailbox: bounded, so that what peers send cannot pile up.

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
