//! Where the broker is and how to log in there.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use lapin::uri::{AMQPScheme, AMQPUri};
use trestle_actors::ports::PublishError;

/// Seconds between heartbeats when the URL does not say: a connection that is dead is noticed
/// within two of them.
const HEARTBEAT_S: u16 = 10;

/// Longest password file read: far above any password, far below any file named by mistake.
const MAX_PASSWORD_BYTES: usize = 4096;

/// How a broker is reached. Has no `Debug`: it may hold a password.
#[derive(Clone)]
pub struct Settings {
    uri: AMQPUri,
    password_file: Option<PathBuf>,
    /// The kind of queues to declare.
    pub(crate) queue_type: QueueType,
    /// Longest wait for the broker: to connect, to declare, to confirm a batch.
    pub(crate) patience: Duration,
}

/// The kind of queues at the broker (`x-queue-type`). Once made a queue keeps its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueType {
    /// Replicated by consensus between the nodes of the broker's cluster; what readers expect.
    #[default]
    Quorum,
    /// On one node.
    Classic,
}

impl QueueType {
    /// As the broker names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }
}

impl fmt::Display for QueueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for QueueType {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let known = [Self::Quorum, Self::Classic];
        let found = known.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| SettingsError::QueueType(text.to_owned()))
    }
}

/// What is wrong with the settings. Quotes no part of the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not a URL of a broker.
    #[error("the broker's URL is not of the form amqp://USER@HOST:PORT/VHOST: {0}")]
    Url(&'static str),
    /// Encryption asked for.
    #[error(
        "amqps:// is not built in: use amqp:// to a broker on this machine or a private network, \
         or to a local tunnel that does the encryption"
    )]
    Encrypted,
    /// Two passwords.
    #[error("the broker's URL has a password and a password file is named too: keep the file")]
    TwoPasswords,
    /// An unknown word.
    #[error("queue_type: expected \"quorum\" or \"classic\", got {0:?}")]
    QueueType(String),
}

impl Settings {
    /// Reads `amqp://USER:PASSWORD@HOST:PORT/VHOST`. The virtual host `/` is written `%2f` or left
    /// out; `?heartbeat=SECONDS` is understood. The password may come from a file instead, whose
    /// last line end does not count; it is read again for every connection.
    ///
    /// # Errors
    /// When this is not the URL of a broker that can be reached.
    pub fn new(
        url: &str,
        password_file: Option<PathBuf>,
        queue_type: QueueType,
    ) -> Result<Self, SettingsError> {
        let (_, rest) = url.split_once("://").ok_or(SettingsError::Url("expected amqp://"))?;
        // The parser's own words may quote the URL, so they are not passed on.
        let mut uri: AMQPUri =
            url.parse().map_err(|_| SettingsError::Url("expected a scheme, host and path"))?;
        if uri.scheme == AMQPScheme::AMQPS {
            return Err(SettingsError::Encrypted);
        }
        let (authority, _) = rest.split_once(['/', '?', '#']).unwrap_or((rest, ""));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        if host.is_empty() || host.starts_with(':') {
            return Err(SettingsError::Url("expected a host"));
        }
        if password_file.is_some() && user.contains(':') {
            return Err(SettingsError::TwoPasswords);
        }
        // The parser takes an address of IPv6 for no host at all.
        if let Some((address, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            uri.authority.host = address.to_owned();
        }
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        Ok(Self { uri, password_file, queue_type, patience: Duration::from_secs(30) })
    }

    /// Waits at most this long for the broker to connect, to declare, or to confirm a batch,
    /// instead of 30 s.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Host and port.
    #[must_use]
    pub fn broker(&self) -> String {
        let authority = &self.uri.authority;
        if authority.host.contains(':') {
            format!("[{}]:{}", authority.host, authority.port)
        } else {
            format!("{}:{}", authority.host, authority.port)
        }
    }

    /// The account.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// The virtual host.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// Everything, with the password filled in.
    pub(crate) async fn uri(&self) -> Result<AMQPUri, PublishError> {
        let mut uri = self.uri.clone();
        if let Some(path) = &self.password_file {
            let bad =
                |reason: String| PublishError::Secret { path: path.display().to_string(), reason };
            let read = tokio::fs::read(path).await.map_err(|error| bad(error.to_string()))?;
            if read.len() > MAX_PASSWORD_BYTES {
                let found = read.len();
                let limit = MAX_PASSWORD_BYTES;
                return Err(bad(format!("expected at most {limit} bytes, got {found}")));
            }
            // The bytes of a password are in no error, so neither is what makes them no text.
            let text = String::from_utf8(read).map_err(|_| bad("expected text (UTF-8)".into()))?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                return Err(bad("it is empty".into()));
            }
            line.clone_into(&mut uri.authority.userinfo.password);
        }
        Ok(uri)
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    fn settings(url: &str) -> Result<Settings, SettingsError> {
        Settings::new(url, None, QueueType::Quorum)
    }

    fn problem(url: &str) -> SettingsError {
        settings(url).err().expect("this is no broker")
    }

    #[test]
    fn settings__should_be_read_from_a_url() {
        let all = [
            ("amqp://me@broker:1234/%2f", "broker:1234", "me", "/"),
            ("amqp://me:p%40ss@10.0.0.1/staking", "10.0.0.1:5672", "me", "staking"),
            ("amqp://me@[::1]:99", "[::1]:99", "me", "/"),
            ("amqp://broker/", "broker:5672", "guest", "/"),
        ];
        for (url, broker, user, vhost) in all {
            let read = settings(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((read.broker().as_str(), read.user(), read.vhost()), (broker, user, vhost));
        }
        assert_eq!(
            settings("amqp://b?heartbeat=3").expect("it is one").uri.query.heartbeat,
            Some(3)
        );
    }

    #[test]
    fn settings__should_refuse_what_is_no_broker_without_quoting_it() {
        for url in ["", "broker:5672", "http://me:hunter2@broker", "amqp://me:hunter2@", "amqp://"]
        {
            let problem = problem(url);
            assert!(matches!(problem, SettingsError::Url(_)), "{url}: {problem}");
            assert!(!problem.to_string().contains("hunter2"));
        }
        assert_eq!(problem("amqps://me:hunter2@broker"), SettingsError::Encrypted);
    }

    #[test]
    fn settings__should_refuse_two_passwords() {
        let file = Some(PathBuf::from("password"));
        let both = Settings::new("amqp://me:hunter2@broker", file.clone(), QueueType::Classic);
        assert_eq!(both.err(), Some(SettingsError::TwoPasswords));
        assert!(Settings::new("amqp://me@broker", file, QueueType::Classic).is_ok());
    }

    #[test]
    fn queue_type__should_be_one_of_two_words() {
        assert_eq!("classic".parse(), Ok(QueueType::Classic));
        let refused = "stream".parse::<QueueType>().expect_err("not ours");
        assert!(refused.to_string().contains("\"stream\""), "{refused}");
    }

    #[tokio::test]
    async fn settings__should_take_the_password_from_its_file_at_every_connection() {
        // Given
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        let settings = Settings::new("amqp://me@broker", Some(path.clone()), QueueType::Quorum)
            .expect("settings");
        let password = async || settings.uri().await.map(|uri| uri.authority.userinfo.password);

        // Then: missing, empty, set, changed
        assert_eq!(password().await.expect_err("no file").word(), "secret");
        std::fs::write(&path, "\n").expect("a file");
        assert_eq!(password().await.expect_err("empty").word(), "secret");
        std::fs::write(&path, "one\r\n").expect("a file");
        assert_eq!(password().await.as_deref(), Ok("one"));
        std::fs::write(&path, " two ").expect("a file");
        assert_eq!(password().await.as_deref(), Ok(" two "));
    }
}
