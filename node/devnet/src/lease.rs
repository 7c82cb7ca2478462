//! A name that one process of this machine holds at a time.
//!
//! A lease is a bound Unix socket in Linux's abstract namespace. The kernel lets go of it
//! when its holder ends, however it ends, and it leaves no file behind.

use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

/// A held name; free again when this is dropped or its process is gone.
#[derive(Debug)]
pub(crate) struct Lease {
    _socket: UnixListener,
}

impl Lease {
    /// Takes `name`, or gives `None` while somebody holds it.
    pub(crate) fn take(name: &str) -> io::Result<Option<Self>> {
        let address = SocketAddr::from_abstract_name(format!("trestle-devnet/{name}"))?;
        match UnixListener::bind_addr(&address) {
            Ok(socket) => Ok(Some(Self { _socket: socket })),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(error),
        }
    }
}
