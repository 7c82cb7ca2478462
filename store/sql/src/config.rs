//! Where a store is, parsed from a URL once. A URL can hold a password: it is never shown.

use std::{fmt, path::PathBuf, str::FromStr};

use sqlx::postgres::PgConnectOptions;

use crate::OpenError;

/// What to open, and how.
#[derive(Clone)]
pub struct Config {
    place: Place,
    /// Take a PostgreSQL database over from an owner that still holds its session. The other one
    /// can never commit again. Without effect elsewhere.
    pub takeover: bool,
    /// Largest size of a SQLite database in pages of 4 KiB; a commit that would exceed it is
    /// refused as on a full disk. `None` for what the disk has.
    pub max_pages: Option<u32>,
}

/// A kind of store and where its data is.
#[derive(Clone)]
pub enum Place {
    /// Nowhere: gone when the process ends.
    Memory,
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<PgConnectOptions>),
}

impl Config {
    /// Parses a URL: `memory`, `sqlite:PATH` (relative, or absolute with `sqlite:/…`), or
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// [`OpenError::Url`] if it is none of these.
    pub fn new(url: &str) -> Result<Self, OpenError> {
        Ok(Self { place: parse(url)?, takeover: false, max_pages: None })
    }

    /// The place that the URL names.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

fn parse(url: &str) -> Result<Place, OpenError> {
    if url == "memory" {
        return Ok(Place::Memory);
    }
    if let Some(path) = url.strip_prefix("sqlite:") {
        return sqlite_path(path).map(Place::Sqlite);
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        // The parser's own text may repeat parts of the URL, and with them the password.
        let options = PgConnectOptions::from_str(url).map_err(|_| {
            let form = "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special \
                        characters percent-encoded";
            OpenError::Url(form.into())
        })?;
        return Ok(Place::Postgres(Box::new(options)));
    }
    let scheme = url.split(':').next().filter(|scheme| scheme.len() < url.len());
    Err(OpenError::Url(format!(
        "expected memory, sqlite:PATH or postgres://…, got {}",
        scheme.map_or("no scheme".into(), |scheme| format!("the scheme {scheme:?}"))
    )))
}

fn sqlite_path(path: &str) -> Result<PathBuf, OpenError> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let refuse = |why: &str| Err(OpenError::Url(format!("expected sqlite:PATH, got {why}")));
    match path {
        "" => refuse("no path"),
        ":memory:" => refuse("\":memory:\"; for a store in memory use the url \"memory\""),
        _ if path.contains('?') => refuse("parameters after \"?\"; there are none"),
        _ => Ok(path.into()),
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("place", &self.place)
            .field("takeover", &self.takeover)
            .field("max_pages", &self.max_pages)
            .finish()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(to) => write!(
                f,
                "postgres://{}:{}/{}",
                to.get_host(),
                to.get_port(),
                to.get_database().unwrap_or_default()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn config__should_understand_each_form_of_url() {
        for (url, place) in [
            ("memory", "memory"),
            ("sqlite:node.sqlite", "sqlite:node.sqlite"),
            ("sqlite:/var/lib/node.sqlite", "sqlite:/var/lib/node.sqlite"),
            ("sqlite:///var/lib/node.sqlite", "sqlite:/var/lib/node.sqlite"),
            ("postgres://me:word@db:5433/node", "postgres://db:5433/node"),
        ] {
            let config = Config::new(url).expect("a good url");
            assert_eq!(format!("{:?}", config.place()), place, "{url}");
        }
    }

    #[test]
    fn config__should_refuse_other_urls_without_showing_a_password() {
        for url in [
            "",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:a?mode=ro",
            "mysql://me:word@db/x",
            "postgres://me:word@db:port/x",
        ] {
            let refused = Config::new(url).expect_err("a bad url").to_string();
            assert!(refused.contains("expected"), "{url}: {refused}");
            assert!(!refused.contains("word@"), "{url}: {refused}");
        }
    }

    #[test]
    fn config__should_not_show_a_password() {
        let config = Config::new("postgres://me:word@db/x").expect("a good url");
        assert!(!format!("{config:?}").contains("word"));
    }
}
