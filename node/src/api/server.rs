//! Binding and serving a listener.

use std::{io, net::SocketAddr};

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Binds an address of the config.
///
/// # Errors
/// [`BindError`], which names the address and the config's key.
pub async fn bind(listen: SocketAddr, key: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(listen).await.map_err(|source| BindError { listen, key, source })
}

/// Serves until stopped; requests under way are finished.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    // Limits by address need to know who is connected.
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
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
