//! Numbered migrations in a schema of PostgreSQL, all in one transaction: processes that start at once wait for each
//! other, and find them done.

use super::PostgresSchema;
use crate::error::SqlError;
use crate::migrate::{APPLIED, INSERT, Migration, TABLE, check};
use service_kit::clock::now_ms;
use std::sync::Arc;

/// Waits for other processes that bring tables up to date.
const LOCK: &str = "SELECT 1::bigint FROM pg_advisory_xact_lock(hashtextextended('bunbase migrations', 0))";

/// PostgreSQL's text of a statement: integers are of 64 bits, and texts in the order of their bytes, as in SQLite.
fn translate(sql: &str) -> String {
    sql.replace("INTEGER PRIMARY KEY", "INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
        .replace("INTEGER", "BIGINT")
        .replace("BLOB", "BYTEA")
        .replace(" TEXT", " TEXT COLLATE \"C\"")
}

/// Makes the schema where it is missing: who may not make schemas can use one that is there.
pub(super) async fn make_schema(own: &Arc<PostgresSchema>) -> Result<(), SqlError> {
    let mut write = own.begin().await?;
    write.run(LOCK).await?;
    let found = write.query("SELECT 1::bigint FROM pg_namespace WHERE nspname = $1").bind(own.schema);
    if found.optional::<(i64,)>().await?.is_none() {
        write.run(&format!("CREATE SCHEMA {}", own.schema)).await?;
    }
    write.commit().await
}

pub(super) async fn run(
    own: &Arc<PostgresSchema>,
    owner: &'static str,
    migrations: &[Migration],
) -> Result<(), SqlError> {
    let mut write = own.begin().await?;
    write.run(LOCK).await?;
    write.run(&translate(TABLE)).await?;
    let applied: Vec<(i64, String)> = write.query(APPLIED).bind(owner).all().await?;
    check(&format!("the schema {} of PostgreSQL", own.schema), owner, migrations, &applied)?;
    for migration in &migrations[applied.len()..] {
        write.run(&translate(migration.sql)).await?;
        let query = write.query(INSERT).bind(owner).bind(migration.number).bind(migration.name);
        query.bind(migration.sql).bind(now_ms()).execute().await?;
        tracing::debug!(owner, number = migration.number, name = migration.name, "migration applied");
    }
    write.commit().await
}
