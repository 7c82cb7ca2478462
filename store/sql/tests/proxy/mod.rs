//! A connection that breaks at COMMIT: a proxy in front of the server which, once told to, cuts the
//! connection before the server gets the COMMIT or after it has carried it out.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Where to cut.
#[derive(Clone, Copy)]
pub(crate) enum Cut {
    /// The server never sees the COMMIT.
    Before = 1,
    /// The client never sees the answer.
    After = 2,
}

pub(crate) struct Proxy {
    port: u16,
    armed: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("is bound").port();
        let armed = Arc::new(AtomicU8::new(0));
        let arm = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, Arc::clone(&arm)));
            }
        });
        Self { port, armed }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn cut_next_commit(&self, cut: Cut) {
        self.armed.store(cut as u8, Ordering::SeqCst);
    }
}

/// Passes bytes on until one side ends or the connection is cut.
async fn pass(mut client: TcpStream, server: u16, armed: Arc<AtomicU8>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(read @ 1..) = read else { return };
                let commits = up[..read].windows(6).any(|bytes| bytes == b"COMMIT");
                let cut = if commits { armed.swap(0, Ordering::SeqCst) } else { 0 };
                if cut == Cut::Before as u8 || server.write_all(&up[..read]).await.is_err() {
                    return;
                }
                if cut == Cut::After as u8 {
                    // The answer means that it was carried out.
                    let answer = server.read(&mut down).await.expect("the server answers");
                    assert_ne!(answer, 0, "the server answers COMMIT");
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
