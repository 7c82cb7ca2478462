//! SQLite with prepared statements and nothing else: what storing takes at least.

use std::path::Path;

use eyre::{Result, bail};
use rusqlite::Connection;
use trestle_store::{Batch, Op};

/// Writes a row of the store's table.
const PUT: &str = "INSERT INTO trestle_kv (space, key, value) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (space, key) DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM trestle_kv WHERE space = ?1 AND key = ?2";

/// A database that flushes each commit, as the node's does.
///
/// # Errors
/// SQLite's.
pub(super) fn open(file: &Path) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Writes a batch to a copy of the store's table, one prepared statement a row, in one transaction.
///
/// # Errors
/// SQLite's.
pub(super) fn write(connection: &mut Connection, batch: &Batch) -> Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut put = transaction.prepare_cached(PUT)?;
        let mut delete = transaction.prepare_cached(DELETE)?;
        for op in &batch.ops {
            match op {
                Op::Put(space, key, value) | Op::Insert(space, key, value) => {
                    put.execute((space, key, value))?;
                }
                Op::Delete(space, key) => {
                    delete.execute((space, key))?;
                }
                Op::Expect(..) => bail!("the index writes without conditions"),
            }
        }
    }
    Ok(transaction.commit()?)
}
