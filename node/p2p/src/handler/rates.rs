//! How much each peer may send. Checked before a byte is decoded, so that a flood costs the sender
//! more than it costs us.

use std::collections::BTreeMap;

use trestle_wire::{Ack, Peer, Refusal, codec::MAX_ENVELOPE};

use super::{Dropped, bucket::Bucket};

/// What one peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages a second, on average.
    pub messages_per_second: u64,
    /// Messages at once.
    pub message_burst: u64,
    /// Bytes a second, on average.
    pub bytes_per_second: u64,
    /// Bytes at once. At least one envelope of the largest size, or none such ever passes.
    pub byte_burst: u64,
}

impl Rate {
    /// For a peer of the table. A coordinator of 50 members has a few messages to and from each
    /// in a session, and the largest envelope has 4 MiB: this is ten times what a busy one needs.
    pub const MEMBER: Self = Self {
        messages_per_second: 200,
        message_burst: 1_000,
        bytes_per_second: 16 << 20,
        byte_burst: 64 << 20,
    };
    /// For everyone else, who has nothing to say but hello.
    pub const STRANGER: Self = Self {
        messages_per_second: 2,
        message_burst: 20,
        bytes_per_second: 16 << 10,
        byte_burst: 128 << 10,
    };
}

/// The buckets of all connected peers.
#[derive(Debug, Default)]
pub struct Rates {
    peers: BTreeMap<Peer, (Bucket, Bucket)>,
}

impl Rates {
    /// Checks size and rate of a message that just came.
    ///
    /// # Errors
    /// [`Dropped`] with what to answer. A sender that is only too fast is told to come back later,
    /// since a durable message would otherwise be lost for good.
    pub fn admit(
        &mut self,
        from: Peer,
        size: usize,
        rate: Rate,
        now_ms: u64,
    ) -> Result<(), Dropped> {
        if size > MAX_ENVELOPE {
            return Err(Dropped::refused(Refusal::Limit));
        }
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        let (messages, bytes) = self.peers.entry(from).or_insert_with(|| {
            (
                Bucket::new(rate.messages_per_second, rate.message_burst, now_ms),
                Bucket::new(rate.bytes_per_second, rate.byte_burst, now_ms),
            )
        });
        if messages.has(1, now_ms) && bytes.has(size, now_ms) {
            messages.take(1, now_ms);
            bytes.take(size, now_ms);
            return Ok(());
        }
        Err(Dropped { ack: Ack::Busy, reason: Refusal::Limit.label() })
    }

    /// Forgets a peer that is not in the table and has gone. Its next visit starts with a full
    /// bucket; the connection limits bound how often that can be.
    pub fn forget(&mut self, peer: Peer) {
        self.peers.remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use trestle_wire::{Ack, Peer, Refusal, codec::MAX_ENVELOPE};

    use super::{Rate, Rates};

    const A: Peer = Peer([1; 32]);
    const B: Peer = Peer([2; 32]);
    const RATE: Rate =
        Rate { messages_per_second: 1, message_burst: 3, bytes_per_second: 10, byte_burst: 100 };

    #[test]
    fn rates__should_stop_one_peers_flood_and_let_another_through() {
        let mut rates = Rates::default();
        let passed = (0..50).filter(|_| rates.admit(A, 1, RATE, 0).is_ok()).count();
        assert_eq!(passed, 3);
        assert!(rates.admit(B, 1, RATE, 0).is_ok());
    }

    #[test]
    fn rates__should_count_bytes_too_and_ask_to_come_back() {
        let mut rates = Rates::default();
        assert!(rates.admit(A, 80, RATE, 0).is_ok());
        let dropped = rates.admit(A, 80, RATE, 0).expect_err("only 20 bytes are left");
        assert_eq!((dropped.ack, dropped.reason), (Ack::Busy, "limit"));
        assert!(rates.admit(A, 80, RATE, 6_000).is_ok());
    }

    #[test]
    fn rates__should_refuse_for_good_what_no_envelope_may_have() {
        let dropped = Rates::default()
            .admit(A, MAX_ENVELOPE + 1, Rate::MEMBER, 0)
            .expect_err("larger than any envelope");
        assert_eq!(dropped.ack, Ack::Refused(Refusal::Limit));
    }

    #[test]
    fn rates__should_pass_the_largest_envelope_of_a_member() {
        assert!(Rates::default().admit(A, MAX_ENVELOPE, Rate::MEMBER, 0).is_ok());
    }
}
