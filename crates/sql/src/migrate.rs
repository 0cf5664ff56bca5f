//! Numbered migrations: each runs once, in order, in its own transaction. A file that knows a migration
//! that this program does not know is refused, and so is one whose migration had another text.

use crate::database::Database;
use crate::error::SqlError;
use service_kit::clock::now_ms;
use sqlx::Executor as _;

/// One step of a schema.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// 1, 2, 3, …
    pub number: i64,
    /// What it does.
    pub name: &'static str,
    /// Statements.
    pub sql: &'static str,
}

pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS _migrations (
    owner TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, sql TEXT NOT NULL,
    applied_at INTEGER NOT NULL, PRIMARY KEY (owner, number))";
pub(crate) const APPLIED: &str = "SELECT number, sql FROM _migrations WHERE owner = $1 ORDER BY number";
pub(crate) const INSERT: &str =
    "INSERT INTO _migrations (owner, number, name, sql, applied_at) VALUES ($1, $2, $3, $4, $5)";

pub(crate) async fn run(
    database: &Database,
    owner: &'static str,
    migrations: &[Migration],
) -> Result<(), SqlError> {
    let mut write = database.write().await?;
    write.execute(TABLE).await?;
    let applied: Vec<(i64, String)> = sqlx::query_as(APPLIED).bind(owner).fetch_all(&mut *write).await?;
    write.commit().await?;
    check(&database.path().display().to_string(), owner, migrations, &applied)?;
    for migration in &migrations[applied.len()..] {
        let mut write = database.write().await?;
        write.execute(migration.sql).await?;
        sqlx::query(INSERT)
            .bind(owner)
            .bind(migration.number)
            .bind(migration.name)
            .bind(migration.sql)
            .bind(now_ms())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        tracing::debug!(owner, number = migration.number, name = migration.name, "migration applied");
    }
    Ok(())
}

pub(crate) fn check(
    place: &str,
    owner: &'static str,
    migrations: &[Migration],
    applied: &[(i64, String)],
) -> Result<(), SqlError> {
    let path = || place.to_owned();
    let known = migrations.last().map_or(0, |migration| migration.number);
    if let Some((found, _)) = applied.last().filter(|(number, _)| *number > known) {
        return Err(SqlError::Newer { path: path(), owner, found: *found, known });
    }
    for ((number, sql), migration) in applied.iter().zip(migrations) {
        if *number != migration.number || sql != migration.sql {
            return Err(SqlError::Changed { path: path(), owner, number: *number });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Durability;

    const FIRST: Migration = Migration { number: 1, name: "a", sql: "CREATE TABLE a (x INTEGER)" };
    const SECOND: Migration = Migration { number: 2, name: "b", sql: "CREATE TABLE b (x INTEGER UNIQUE)" };

    async fn open(directory: &tempfile::TempDir) -> Database {
        Database::open(&directory.path().join("t.db"), Durability::Full).await.unwrap()
    }

    #[tokio::test]
    async fn migrations_run_once_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let database = open(&directory).await;
        database.migrate("one", &[FIRST]).await.unwrap();
        database.migrate("one", &[FIRST, SECOND]).await.unwrap();
        database.migrate("one", &[FIRST, SECOND]).await.unwrap();
        let insert = "INSERT INTO b VALUES (1)";
        let mut write = database.write().await.unwrap();
        write.execute(insert).await.unwrap();
        let again = SqlError::from(write.execute(insert).await.unwrap_err());
        assert!(matches!(again, SqlError::Taken(_)));
    }

    #[tokio::test]
    async fn a_newer_and_a_changed_file_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let database = open(&directory).await;
        database.migrate("one", &[FIRST, SECOND]).await.unwrap();
        let newer = database.migrate("one", &[FIRST]).await.unwrap_err();
        assert!(matches!(newer, SqlError::Newer { found: 2, known: 1, .. }));
        let changed = Migration { sql: "CREATE TABLE c (x)", ..FIRST };
        let error = database.migrate("one", &[changed, SECOND]).await.unwrap_err();
        assert!(matches!(error, SqlError::Changed { number: 1, .. }));
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.db");
        std::fs::write(&path, vec![7_u8; 8192]).unwrap();
        let error = Database::open(&path, Durability::Full).await.unwrap_err();
        assert!(matches!(error, SqlError::Damaged { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn writing_goes_on_after_the_disk_was_full() {
        let directory = tempfile::tempdir().unwrap();
        let database = open(&directory).await;
        let blobs = Migration { number: 1, name: "blobs", sql: "CREATE TABLE blobs (x BLOB)" };
        database.migrate("one", &[blobs]).await.unwrap();
        let mut write = database.write().await.unwrap();
        write.execute("PRAGMA max_page_count = 10").await.unwrap();
        let full = write.execute("INSERT INTO blobs VALUES (zeroblob(1000000))").await.unwrap_err();
        assert!(matches!(SqlError::from(full), SqlError::DiskFull(_)));
        drop(write);
        let mut write = database.write().await.unwrap();
        write.execute("INSERT INTO blobs VALUES (zeroblob(1000000))").await.unwrap();
        write.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_write_that_is_dropped_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let database = open(&directory).await;
        database.migrate("one", &[FIRST]).await.unwrap();
        let mut write = database.write().await.unwrap();
        write.execute("INSERT INTO a VALUES (1)").await.unwrap();
        drop(write);
        let (count,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM a").fetch_one(database.read()).await.unwrap();
        assert_eq!(count, 0);
    }
}
