//! Bytes of `/trestle/msg/1`: a 32-bit little-endian length and as many bytes, either way.
//!
//! Always holds: nothing is allocated for bytes that have not come; a length over the limit ends
//! the stream before a byte of the body is read; what all unfinished and unhandled requests hold
//! beyond their first [`FREE`] bytes comes from one budget.

use std::{io, sync::Arc};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use trestle_wire::{
    Ack, Refusal,
    codec::{MAX_ENVELOPE, decode, encode},
};

use crate::metrics::Metrics;

/// The protocol's name.
pub(crate) const PROTOCOL: StreamProtocol = StreamProtocol::new("/trestle/msg/1");
/// The most bytes an answer may have; an [`Ack`] has two.
const MAX_ANSWER: usize = 64;
/// Bytes read at a time, and what every request may hold outside the budget: enough for all but
/// the largest batches, so that a flood of large messages cannot keep small ones out.
const FREE: usize = 64 * 1024;
/// What large requests may hold together: 16 of the largest.
const BUDGET: usize = 16 * MAX_ENVELOPE;
/// The budget is counted in these units.
const UNIT: usize = 1024;

/// A request's bytes, and their share of the budget until they have been dealt with.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    _held: Option<OwnedSemaphorePermit>,
}

impl Request {
    /// A request of ours.
    pub(crate) const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, _held: None }
    }
}

/// Reads and writes.
#[derive(Clone)]
pub(crate) struct Codec {
    budget: Arc<Semaphore>,
    metrics: Metrics,
}

impl Codec {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { budget: Arc::new(Semaphore::new(BUDGET / UNIT)), metrics }
    }

    async fn body<T: AsyncRead + Unpin + Send>(&self, io: &mut T) -> io::Result<Request> {
        let length = read_length(io, MAX_ENVELOPE).await?;
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut bytes = Vec::with_capacity(length.min(FREE));
        while bytes.len() < length {
            let next = FREE.min(length - bytes.len());
            if !bytes.is_empty() {
                let more = self.reserve(next)?;
                match &mut held {
                    Some(held) => held.merge(more),
                    None => held = Some(more),
                }
            }
            let from = bytes.len();
            bytes.resize(from + next, 0);
            io.read_exact(&mut bytes[from..]).await?;
        }
        Ok(Request { bytes, _held: held })
    }

    fn reserve(&self, bytes: usize) -> io::Result<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(io::Error::other)?;
        // Waiting here would let a few slow senders hold up everyone: better to fail this one.
        Arc::clone(&self.budget)
            .try_acquire_many_owned(units)
            .map_err(|_| io::Error::new(io::ErrorKind::OutOfMemory, "too many large messages now"))
    }
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Ack;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let request = self.body(io).await;
        if let Err(error) = &request {
            // libp2p reports no event for a request that could not be read, so it is counted here.
            let reason = if error.kind() == io::ErrorKind::InvalidData {
                Refusal::Limit.label()
            } else if error.kind() == io::ErrorKind::OutOfMemory {
                "busy"
            } else {
                Refusal::Malformed.label()
            };
            self.metrics.dropped(reason);
        }
        request
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Ack>
    where
        T: AsyncRead + Unpin + Send,
    {
        let length = read_length(io, MAX_ANSWER).await?;
        let mut bytes = vec![0; length];
        io.read_exact(&mut bytes).await?;
        decode(&bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request.bytes, MAX_ENVELOPE).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        ack: Ack,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &encode(&ack), MAX_ANSWER).await
    }
}

async fn read_length<T: AsyncRead + Unpin + Send>(io: &mut T, most: usize) -> io::Result<usize> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_le_bytes(length);
    match usize::try_from(length) {
        Ok(length) if length <= most => Ok(length),
        Ok(_) | Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{length} bytes announced, at most {most} are allowed"),
        )),
    }
}

async fn write<T: AsyncWrite + Unpin + Send>(
    io: &mut T,
    bytes: &[u8],
    most: usize,
) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if bytes.len() > most {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{length} bytes to send, at most {most} are allowed"),
        ));
    }
    io.write_all(&length.to_le_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use std::io::ErrorKind;

    use futures::{executor::block_on, io::Cursor};
    use libp2p::request_response::Codec as _;
    use prometheus_client::registry::Registry;
    use trestle_wire::{Ack, Refusal, codec::MAX_ENVELOPE};

    use super::{BUDGET, Codec, PROTOCOL, Request};
    use crate::metrics::Metrics;

    #[test]
    fn codec__should_read_back_what_it_writes() {
        for size in [0, 1, 64 * 1024, 64 * 1024 + 1, MAX_ENVELOPE] {
            let bytes: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0]).collect();
            let mut codec = codec();
            let mut io = Cursor::new(Vec::new());
            block_on(codec.write_request(&PROTOCOL, &mut io, Request::new(bytes.clone())))
                .expect("memory takes everything");
            let mut io = Cursor::new(io.into_inner());
            let read = block_on(codec.read_request(&PROTOCOL, &mut io)).expect("well formed");
            assert_eq!(read.bytes, bytes, "{size} bytes");
        }
    }

    #[test]
    fn codec__should_refuse_a_length_over_the_limit_before_the_body() {
        let length = u32::try_from(MAX_ENVELOPE + 1).expect("4 MiB and one fit 32 bits");
        assert_eq!(read_error(&length.to_le_bytes()), ErrorKind::InvalidData);
        assert_eq!(read_error(&[0xff; 4]), ErrorKind::InvalidData);
    }

    #[test]
    fn codec__should_refuse_a_truncated_request() {
        assert_eq!(read_error(&[]), ErrorKind::UnexpectedEof);
        assert_eq!(read_error(&[5, 0, 0, 0, 1, 2]), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn codec__should_give_the_budget_back_when_a_request_is_done() {
        // Given as many of the largest requests as fit, none of them dealt with.
        let mut codec = codec();
        let mut frame = u32::try_from(MAX_ENVELOPE).expect("fits").to_le_bytes().to_vec();
        frame.resize(4 + MAX_ENVELOPE, 0);
        let mut read = || block_on(codec.read_request(&PROTOCOL, &mut Cursor::new(&frame)));
        let mut held: Vec<_> = (0..BUDGET / MAX_ENVELOPE).map(|_| read()).collect();
        assert!(held.iter().all(Result::is_ok));

        // When one more comes, then it finds no room until another is done.
        assert_eq!(read().map_err(|e| e.kind()).err(), Some(ErrorKind::OutOfMemory));
        held.pop();
        assert!(read().is_ok());
    }

    #[test]
    fn codec__should_read_answers_of_two_bytes_and_none_of_a_hundred() {
        let mut codec = codec();
        let ack = Ack::Refused(Refusal::Replay);
        let mut io = Cursor::new(Vec::new());
        block_on(codec.write_response(&PROTOCOL, &mut io, ack)).expect("memory takes everything");
        let mut io = Cursor::new(io.into_inner());
        assert_eq!(block_on(codec.read_response(&PROTOCOL, &mut io)).ok(), Some(ack));

        let mut long = vec![100, 0, 0, 0];
        long.resize(104, 0);
        assert!(block_on(codec.read_response(&PROTOCOL, &mut Cursor::new(long))).is_err());
    }

    fn read_error(bytes: &[u8]) -> ErrorKind {
        block_on(codec().read_request(&PROTOCOL, &mut Cursor::new(bytes.to_vec())))
            .expect_err("not a request")
            .kind()
    }

    fn codec() -> Codec {
        Codec::new(Metrics::new(&mut Registry::default()))
    }
}
