//! Opens the store that the config names, and closes it.
//!
//! Always holds: nothing of the node is seen by a peer before it owns its store, and nothing for
//! long after it has lost it.

use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use trestle_store::{Store, StoreError, memory::MemoryStore};
use trestle_store_sql::{OpenError, Place, SqlStore};
use zeroize::Zeroizing;

use super::RunError;
use crate::config::{Config, StoreConfig};

/// How often a node looks whether its database is still its own.
const OWNER_CHECK: Duration = Duration::from_secs(5);
/// How often a node that waits for a database says so.
const REMIND: Duration = Duration::from_secs(60);

/// An open store.
pub(super) struct Opened {
    /// For the actors.
    pub(super) store: Arc<dyn Store>,
    /// The same where it must be closed.
    sql: Option<Arc<SqlStore>>,
}

/// Opens the store. A PostgreSQL database that another process owns is waited for, or taken from it
/// at once with `take_over`; `None` when `stop` came first.
pub(super) async fn open(
    config: &Config,
    take_over: bool,
    stop: &CancellationToken,
) -> Result<Option<Opened>, RunError> {
    let mut target = trestle_store_sql::Config::new(&url(&config.store, &config.data_dir)?)?;
    target.takeover = take_over;
    if let Place::Memory = target.place() {
        return Ok(Some(Opened { store: Arc::new(MemoryStore::new()), sql: None }));
    }
    let mut reminded: Option<Instant> = None;
    loop {
        // Each try waits for some seconds by itself.
        let opened = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            opened = SqlStore::open(target.clone()) => opened,
        };
        match opened {
            Ok(sql) => {
                if reminded.is_some() || take_over {
                    tracing::warn!("took the database over: whoever owned it can write no more");
                }
                let sql = Arc::new(sql);
                return Ok(Some(Opened { store: Arc::clone(&sql) as _, sql: Some(sql) }));
            }
            Err(OpenError::Owned(owner)) => {
                if reminded.is_none_or(|at| at.elapsed() >= REMIND) {
                    tracing::warn!(
                        owner,
                        "another process owns the database: waiting until it lets go, within half \
                         a minute if its machine died; `trestle run --take-over` does not wait"
                    );
                    reminded = Some(Instant::now());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

impl Opened {
    /// Ends with an error once another process has taken the database over: a node that has nothing
    /// to commit would not notice, and two nodes would go under one identity.
    pub(super) fn guard(
        &self,
        stop: CancellationToken,
    ) -> impl Future<Output = Result<(), RunError>> + Send + 'static {
        let sql = self.sql.clone();
        async move {
            let Some(sql) = sql else { return Ok(()) };
            loop {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(OWNER_CHECK) => {}
                }
                // Whatever else is wrong, the actors meet it and say so in /readyz.
                if let Err(StoreError::NotOwner(why)) = sql.check_owner().await {
                    return Err(RunError::TakenOver(why));
                }
            }
        }
    }

    /// Lets go of the database, with everything in it.
    pub(super) async fn close(self) {
        if let Some(sql) = self.sql {
            sql.close().await;
        }
    }
}

/// The URL of the store, with its password.
pub(crate) fn url(config: &StoreConfig, data_dir: &Path) -> Result<Zeroizing<String>, RunError> {
    if config.url == "sqlite" {
        let file = data_dir.join("trestle.sqlite");
        return Ok(Zeroizing::new(format!("sqlite:{}", file.display())));
    }
    let password = match (&config.password_file, &config.password_env) {
        (Some(path), _) => secret_line(path, "store.password_file")?,
        (None, Some(name)) => std::env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| RunError::NoVariable(name.clone()))?,
        (None, None) => return Ok(Zeroizing::new(config.url.clone())),
    };
    Ok(with_password(&config.url, &password))
}

// USER@ becomes USER:PASSWORD@; a URL without a user gets the password nowhere, and the server's
// own complaint is the clearest.
fn with_password(url: &str, password: &str) -> Zeroizing<String> {
    let Some((user, rest)) = url.split_once('@') else { return Zeroizing::new(url.to_owned()) };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut text = Zeroizing::new(format!("{user}:"));
    for byte in password.bytes() {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text.push('@');
    text.push_str(rest);
    text
}

/// The first line of a file with a password.
pub(super) fn secret_line(path: &Path, key: &'static str) -> Result<Zeroizing<String>, RunError> {
    let failed = |source: io::Error| RunError::Secret { path: path.to_owned(), key, source };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        let what = "expected a password in the first line";
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, what)));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn with_password__should_escape_what_a_url_cannot_hold() {
        let url = with_password("postgres://trestle@localhost:5432/db", "a:b@c/d é");

        assert_eq!(*url, "postgres://trestle:a%3Ab%40c%2Fd%20%C3%A9@localhost:5432/db");
    }
}
