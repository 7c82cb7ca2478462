//! Binding and serving a listener.
//!
//! Always holds: there are 512 connections to a listener at most, a share of them from one address
//! ([`super::places`]), and one whose client does not finish the head of a request in ten seconds is
//! closed, so that clients leave files and memory to the node's own work, and places to others.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo, http::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::places::{MOST_FROM_ONE, Places};

/// How long a request's head may take, and how long a connection may wait for its next request.
const HEAD: Duration = Duration::from_secs(10);
/// Wait after a connection that could not be accepted: there may be no file left for it.
const AGAIN: Duration = Duration::from_millis(100);

/// Binds an address of the config.
///
/// # Errors
/// [`BindError`], which names the address and the config's key.
pub async fn bind(listen: SocketAddr, key: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(listen).await.map_err(|source| BindError { listen, key, source })
}

/// Serves until stopped; requests under way are finished.
pub async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    serve_shared(MOST_FROM_ONE, listener, routes, stop).await;
}

/// The same, with so many connections at the most from one address that is not this machine's.
pub async fn serve_shared(
    from_one: usize,
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
) {
    serve_within(HEAD, Places::new(from_one), listener, routes, stop).await;
}

async fn serve_within(
    head: Duration,
    places: Places,
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
) {
    let connections = GracefulShutdown::new();
    let accept = async {
        loop {
            let Some(room) = places.room().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(place) = places.take(room, peer.ip()) else {
                        tracing::debug!(%peer, "an address has too many connections open");
                        continue;
                    };
                    let connection =
                        connections.watch(connection(head, stream, peer, routes.clone()));
                    tokio::spawn(async move {
                        // A client that goes away, or is too slow, is its own business.
                        let _ = connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    };
    let _ = stop.run_until_cancelled(accept).await;
    drop(listener);
    connections.shutdown().await;
}

fn connection(
    head: Duration,
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
) -> impl GracefulConnection<Error = hyper::Error> {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: Request<Incoming>| {
        // Limits by address need to know who is connected.
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head);
    http.serve_connection(TokioIo::new(stream), service)
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen} ({key} in the config): {source}; {}", hint(source))]
pub struct BindError {
    listen: SocketAddr,
    key: &'static str,
    source: io::Error,
}

fn hint(source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::AddrInUse {
        "another process uses that port: stop it, or set another port (0 takes a free one)"
    } else {
        "set an address of this machine"
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);

    async fn must_serve(head: Duration) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (at, stop) = (listener.local_addr().expect("bound"), CancellationToken::new());
        let whose =
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() });
        let routes = Router::new().route("/", whose);
        let places = Places::new(MOST_FROM_ONE);
        tokio::spawn(serve_within(head, places, listener, routes, stop.clone()));
        (at, stop)
    }

    async fn must_say(at: SocketAddr, head: &str) -> (String, TcpStream) {
        let mut client = TcpStream::connect(at).await.expect("it listens");
        client.write_all(head.as_bytes()).await.expect("it reads");
        let mut answer = vec![0; 1_024];
        let length = client.read(&mut answer).await.expect("it answers or ends");
        answer.truncate(length);
        (String::from_utf8(answer).expect("text"), client)
    }

    #[tokio::test]
    async fn head_that_never_ends__should_end_the_connection() {
        let (at, _stop) = must_serve(SHORT).await;

        let (answer, mut client) = must_say(at, "GET / HTTP/1.1\r\nHost: x\r\nX").await;

        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert_eq!(client.read(&mut [0; 16]).await.expect("its end"), 0);
    }

    #[tokio::test]
    async fn client_that_asks_nothing_more__should_be_let_go() {
        let (at, _stop) = must_serve(SHORT).await;

        let (answer, mut client) = must_say(at, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;

        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
        assert_eq!(client.read(&mut [0; 16]).await.expect("its end"), 0);
    }

    #[tokio::test]
    async fn stop__should_let_go_of_idle_clients() {
        let (at, stop) = must_serve(HEAD).await;
        let (_, mut client) = must_say(at, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;

        stop.cancel();

        assert_eq!(client.read(&mut [0; 16]).await.expect("its end"), 0);
        assert!(TcpStream::connect(at).await.is_err(), "nobody listens any more");
    }
}
