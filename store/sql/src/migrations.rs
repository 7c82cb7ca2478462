//! Migrations: what each version of the database's form added, in order, forward only.
//!
//! A released migration is never edited: its hash is in every database that has it. A database with
//! a migration that this binary does not know was written by a newer one and is refused.

use sha2::{Digest, Sha256};

use crate::OpenError;

/// One step, in the words of each database.
pub(crate) struct Migration {
    /// Its name: unique, and shown in errors.
    pub(crate) name: &'static str,
    /// The statement for SQLite.
    pub(crate) sqlite: &'static str,
    /// The statement for PostgreSQL.
    pub(crate) postgres: &'static str,
}

/// A migration as a database remembers it: name and hash.
pub(crate) type Applied = (String, String);

/// Creates the table of applied migrations itself. Never changes.
pub(crate) const BOOTSTRAP: &str = "CREATE TABLE IF NOT EXISTS trestle_migrations \
     (id BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL)";

/// All applied migrations in order.
pub(crate) const APPLIED: &str = "SELECT name, hash FROM trestle_migrations ORDER BY id";

/// Remembers one: id, name, hash.
pub(crate) const REMEMBER: &str =
    "INSERT INTO trestle_migrations (id, name, hash) VALUES ($1, $2, $3)";

/// Every migration there is.
pub(crate) const ALL: &[Migration] = &[Migration {
    name: "0001_kv",
    // Without a rowid the rows themselves are in order of space and key: one tree to look up, to
    // scan and to write, and most rows are far smaller than a page.
    sqlite: "CREATE TABLE trestle_kv (space TEXT NOT NULL, key BLOB NOT NULL, \
             value BLOB NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID",
    // Bytes, not the language of the server, decide the order of spaces.
    postgres: "CREATE TABLE trestle_kv (space TEXT COLLATE \"C\" NOT NULL, key BYTEA NOT NULL, \
               value BYTEA NOT NULL, PRIMARY KEY (space, key))",
}];

/// The migrations that are still to be applied, with their ids, or why the database is not for this
/// binary. `text` picks the database's words.
pub(crate) fn pending<'a>(
    all: &'a [Migration],
    applied: &[Applied],
    text: fn(&Migration) -> &'static str,
) -> Result<Vec<(i64, &'a Migration)>, OpenError> {
    for (place, (name, hash_then)) in applied.iter().enumerate() {
        match all.get(place) {
            None => return Err(OpenError::Newer(name.clone())),
            Some(ours) if ours.name != name => return Err(OpenError::Altered(name.clone())),
            Some(ours) if hash(text(ours)) != *hash_then => {
                return Err(OpenError::Altered(name.clone()));
            }
            Some(_) => {}
        }
    }
    Ok((1..).zip(all).skip(applied.len()).collect())
}

/// Refuses a database that is not of this binary's form: whoever only reads cannot migrate it.
pub(crate) fn current(
    all: &[Migration],
    applied: &[Applied],
    text: fn(&Migration) -> &'static str,
) -> Result<(), OpenError> {
    match pending(all, applied, text)?.first() {
        None => Ok(()),
        Some((_, migration)) => Err(OpenError::Older(migration.name.to_owned())),
    }
}

/// The hash of a migration's statement, in hexadecimal.
pub(crate) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    const TWO: [Migration; 2] = [
        Migration { name: "one", sqlite: "1", postgres: "p1" },
        Migration { name: "two", sqlite: "2", postgres: "p2" },
    ];

    fn applied(names: &[(&str, &str)]) -> Vec<Applied> {
        names.iter().map(|(name, text)| ((*name).into(), hash(text))).collect()
    }

    fn outcome(names: &[(&str, &str)]) -> Result<Vec<i64>, OpenError> {
        let pending = pending(&TWO, &applied(names), |migration| migration.sqlite)?;
        Ok(pending.into_iter().map(|(id, _)| id).collect())
    }

    #[test]
    fn pending__should_be_what_is_not_applied() {
        assert_eq!(outcome(&[]), Ok(vec![1, 2]));
        assert_eq!(outcome(&[("one", "1")]), Ok(vec![2]));
        assert_eq!(outcome(&[("one", "1"), ("two", "2")]), Ok(vec![]));
    }

    #[test]
    fn pending__should_refuse_a_newer_database() {
        let newer = outcome(&[("one", "1"), ("two", "2"), ("three", "3")]);
        assert_eq!(newer, Err(OpenError::Newer("three".into())));
    }

    #[test]
    fn pending__should_refuse_another_history() {
        assert_eq!(outcome(&[("one", "other")]), Err(OpenError::Altered("one".into())));
        assert_eq!(outcome(&[("two", "2")]), Err(OpenError::Altered("two".into())));
    }

    #[test]
    fn current__should_refuse_a_database_that_lacks_something() {
        let current = |names| current(&TWO, &applied(names), |migration| migration.sqlite);
        assert_eq!(current(&[("one", "1"), ("two", "2")]), Ok(()));
        assert_eq!(current(&[("one", "1")]), Err(OpenError::Older("two".into())));
    }

    #[test]
    fn released_migrations__should_never_change() {
        // Given: the hashes in released databases.
        let released = [(
            "0001_kv",
            "ace2504dd9e292db25de45c34b8b62f810bab498b1cca74fdd0e889b1cbe8c9e",
            "649c3fbfa4eefb9bac2bdc93f2f0221ea4b261630d5a23b0091008add5be1a01",
        )];

        // Then
        for (ours, (name, sqlite, postgres)) in ALL.iter().zip(released) {
            assert_eq!(ours.name, name);
            assert_eq!(hash(ours.sqlite), sqlite, "{name} on SQLite");
            assert_eq!(hash(ours.postgres), postgres, "{name} on PostgreSQL");
        }
        assert!(ALL.len() >= released.len());
    }
}
