//! Migrations in a confined file: the same confinement, and more time.

use super::connection::{Access, Confined};
use super::{ConfinedError, ConfinedFile, statement};
use crate::scripts::{APPLIED, Applied, ScriptError, Step, TABLE};
use rusqlite::{Connection, params};
use service_kit::clock::now_ms;
use std::sync::Arc;
use std::time::Duration;

/// How long one migration may take.
pub const MIGRATION_TIME_MAX: Duration = Duration::from_secs(300);

/// What there is to drop, in an order in which that works: a virtual table takes its shadows along.
const THERE: &str = "SELECT CASE type WHEN 'view' THEN 'VIEW' ELSE 'TABLE' END, name FROM pragma_table_list
    WHERE schema = 'main' AND type IN ('view', 'virtual', 'table') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY CASE type WHEN 'view' THEN 0 WHEN 'virtual' THEN 1 ELSE 2 END";

impl ConfinedFile {
    /// Reads what is applied, and does what `choose` says, in one transaction; the name of what was done.
    pub(crate) async fn step(
        self: &Arc<Self>,
        choose: impl FnOnce(&[Applied]) -> Result<Option<Step>, ScriptError> + Send + 'static,
    ) -> Result<Option<String>, ScriptError> {
        let writer = self.lease(Access::Write).await?;
        writer
            .call(move |connection| Ok(in_transaction(connection, |sql| step(connection, sql, choose))))
            .await?
    }

    /// Drops every table and view, in one transaction.
    pub(crate) async fn drop_everything(self: &Arc<Self>) -> Result<(), ConfinedError> {
        let writer = self.lease(Access::Write).await?;
        writer.call(|connection| in_transaction(connection, drop_all)).await
    }
}

/// Commits what `work` did, unless it failed.
fn in_transaction<T, E: From<ConfinedError>>(
    connection: &Confined,
    work: impl FnOnce(&Connection) -> Result<T, E>,
) -> Result<T, E> {
    connection.ours("BEGIN IMMEDIATE")?;
    let done = work(connection.theirs());
    let done = done.and_then(|done| Ok(connection.ours("COMMIT").map(|()| done)?));
    connection.reset()?;
    done
}

fn step(
    confined: &Confined,
    sql: &Connection,
    choose: impl FnOnce(&[Applied]) -> Result<Option<Step>, ScriptError>,
) -> Result<Option<String>, ScriptError> {
    let run = || {
        sql.execute_batch(TABLE)?;
        let mut rows = sql.prepare(APPLIED)?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Applied { name: row.get(0)?, checksum: row.get(1)?, applied_at: row.get(2)? })
        };
        rows.query_map((), row)?.collect::<Result<Vec<_>, _>>()
    };
    let applied = run().map_err(ConfinedError::from)?;
    let Some(Step { name, sql: text, checksum }) = choose(&applied)? else { return Ok(None) };
    let ran = statement::timed(confined, MIGRATION_TIME_MAX, |sql| Ok(sql.execute_batch(&text)?));
    ran.map_err(|error| ScriptError::Step { name: name.clone(), message: error.to_string() })?;
    let marked = match checksum {
        Some(checksum) => {
            let insert = "INSERT INTO _migrations (name, checksum, applied_at) VALUES (?1, ?2, ?3)";
            sql.execute(insert, params![name, checksum, now_ms()])
        }
        None => sql.execute("DELETE FROM _migrations WHERE name = ?1", params![name]),
    };
    marked.map_err(ConfinedError::from)?;
    Ok(Some(name))
}

fn drop_all(sql: &Connection) -> Result<(), ConfinedError> {
    sql.execute_batch("PRAGMA defer_foreign_keys = ON")?;
    let mut there = sql.prepare(THERE)?;
    let found = there.query_map((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    for (kind, name) in found.collect::<Result<Vec<_>, _>>()? {
        sql.execute_batch(&format!("DROP {kind} IF EXISTS \"{}\"", name.replace('"', "\"\"")))?;
    }
    Ok(())
}
