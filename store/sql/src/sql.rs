//! The statements. Placeholders are `$n` on both databases, but `?` in SQLite's long lists; every
//! scan has a total order, and every text is constant or made once, so that it is prepared once a
//! connection.

use std::sync::LazyLock;

/// The value of one row.
pub(crate) const GET: &str = "SELECT value FROM trestle_kv WHERE space = $1 AND key = $2";

/// The page of a scan: space, from, limit, and to where there is an end.
pub(crate) fn scan(reverse: bool, end: bool) -> &'static str {
    match (reverse, end) {
        (false, false) => {
            "SELECT key, value FROM trestle_kv WHERE space = $1 AND key >= $2 \
             ORDER BY key LIMIT $3"
        }
        (false, true) => {
            "SELECT key, value FROM trestle_kv WHERE space = $1 AND key >= $2 AND key < $4 \
             ORDER BY key LIMIT $3"
        }
        (true, false) => {
            "SELECT key, value FROM trestle_kv WHERE space = $1 AND key >= $2 \
             ORDER BY key DESC LIMIT $3"
        }
        (true, true) => {
            "SELECT key, value FROM trestle_kv WHERE space = $1 AND key >= $2 AND key < $4 \
             ORDER BY key DESC LIMIT $3"
        }
    }
}

/// Many rows at once on PostgreSQL: one array a column.
pub(crate) mod arrays {
    /// The place in the arrays and the value of each row that is there.
    pub(crate) const READ: &str = "\
        SELECT want.place, kv.value \
        FROM UNNEST($1::text[], $2::bytea[]) WITH ORDINALITY AS want(space, key, place) \
        JOIN trestle_kv kv ON kv.space = want.space AND kv.key = want.key";

    /// Writes rows.
    pub(crate) const PUT: &str = "\
        INSERT INTO trestle_kv (space, key, value) \
        SELECT * FROM UNNEST($1::text[], $2::bytea[], $3::bytea[]) \
        ON CONFLICT (space, key) DO UPDATE SET value = excluded.value";

    /// Removes rows.
    pub(crate) const DELETE: &str = "\
        DELETE FROM trestle_kv kv USING UNNEST($1::text[], $2::bytea[]) AS gone(space, key) \
        WHERE kv.space = gone.space AND kv.key = gone.key";
}

/// Many rows at once on SQLite: a few fixed numbers of rows, so that few statements are prepared.
pub(crate) struct Chunk {
    /// Rows that it takes.
    pub(crate) rows: usize,
    /// The place among the parameters, from 1, and the value of each row that is there.
    pub(crate) read: String,
    /// Writes rows.
    pub(crate) put: String,
    /// Removes rows of one space, which comes first.
    pub(crate) delete: String,
}

/// Chunks from the largest to the one of a single row.
pub(crate) static CHUNKS: LazyLock<[Chunk; 4]> = LazyLock::new(|| [512, 64, 8, 1].map(chunk));

/// Splits items into pieces that a chunk takes each.
pub(crate) fn chunked<T>(mut items: &[T]) -> impl Iterator<Item = (&'static Chunk, &[T])> {
    std::iter::from_fn(move || {
        let chunk = CHUNKS.iter().find(|chunk| chunk.rows <= items.len())?;
        let (piece, rest) = items.split_at(chunk.rows);
        items = rest;
        Some((chunk, piece))
    })
}

/// With `?` for placeholders: a `$n` is a name, and SQLite finds a name by going through all of them,
/// once for every value of every call.
fn chunk(rows: usize) -> Chunk {
    let tuples =
        |form: &dyn Fn(usize) -> String| (0..rows).map(form).collect::<Vec<_>>().join(", ");
    let wanted = tuples(&|i| format!("({}, ?, ?)", i + 1));
    let keys = tuples(&|_| "?".to_owned());
    let full = tuples(&|_| "(?, ?, ?)".to_owned());
    Chunk {
        rows,
        // CROSS JOIN fixes the order: one lookup by primary key for each wanted row.
        read: format!(
            "WITH want(place, space, key) AS (VALUES {wanted}) \
             SELECT want.place, kv.value FROM want CROSS JOIN trestle_kv kv \
             WHERE kv.space = want.space AND kv.key = want.key"
        ),
        put: format!(
            "INSERT INTO trestle_kv (space, key, value) VALUES {full} \
             ON CONFLICT (space, key) DO UPDATE SET value = excluded.value"
        ),
        // Within one space: SQLite looks a list of keys up one by one, but would read the whole
        // table for a list of pairs.
        delete: format!("DELETE FROM trestle_kv WHERE space = ? AND key IN ({keys})"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn chunked__should_split_any_number_of_items_in_order() {
        for number in [0, 1, 7, 8, 63, 64, 511, 512, 1_000, 1_537] {
            let items: Vec<usize> = (0..number).collect();
            let pieces: Vec<_> = chunked(&items).collect();
            assert!(pieces.iter().all(|(chunk, piece)| chunk.rows == piece.len()), "{number}");
            let joined: Vec<usize> =
                pieces.into_iter().flat_map(|(_, piece)| piece.to_vec()).collect();
            assert_eq!(joined, items);
        }
    }
}
