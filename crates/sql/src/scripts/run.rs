//! Applies migrations to a database. Each step is one transaction under a lock (SQLite: `BEGIN IMMEDIATE`,
//! PostgreSQL: an advisory lock) that first reads what is applied: of two runners at once each migration is run by
//! one of them.

use super::{Applied, ScriptError, ScriptStatus, Scripts, Step};
use crate::confined::ConfinedFile;
use crate::postgres;
use crate::reach::Reach;
use service_kit::clock::now_ms;
use sqlx::postgres::{PgConnection, PgTransaction};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use std::sync::Arc;

pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS _migrations (
    name TEXT PRIMARY KEY NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL)";
pub(crate) const APPLIED: &str = "SELECT name, checksum, applied_at FROM _migrations";
/// The key of the advisory lock; ours alone in a database, as far as one can choose that.
const LOCK: i64 = 0x62_756e_6261_7365;

/// Of each transaction: nobody waits for a lock longer, or holds it with one statement, than for
/// `confined::MIGRATION_TIME_MAX`; what is there already is no news.
const SETTINGS: &str = "SET LOCAL statement_timeout = '300s'; SET LOCAL client_min_messages = warning";

/// Everything in the schema that is used, but for what an extension brought.
const DROP_EVERYTHING: &str = r"
DO $$ DECLARE found record; BEGIN
    FOR found IN
        SELECT class.oid::regclass AS name,
            CASE class.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind
        FROM pg_class class
        WHERE class.relnamespace = current_schema()::regnamespace AND class.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = class.oid AND deptype IN ('e', 'i', 'a'))
    LOOP
        EXECUTE format('DROP %s IF EXISTS %s CASCADE', found.kind, found.name);
    END LOOP;
    FOR found IN
        SELECT oid::regtype AS name FROM pg_type
        WHERE typnamespace = current_schema()::regnamespace AND typtype IN ('e', 'd')
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_type.oid AND deptype = 'e')
    LOOP
        EXECUTE format('DROP TYPE IF EXISTS %s CASCADE', found.name);
    END LOOP;
END $$";

/// What decides about the next step.
type Choose = dyn Fn(&[Applied]) -> Result<Option<Step>, ScriptError> + Send + Sync;

/// A database that has migrations.
pub enum ScriptDatabase {
    /// A project's file.
    Sqlite(Arc<ConfinedFile>),
    /// A connection.
    Postgres(Box<PgConnection>),
}

impl ScriptDatabase {
    /// Connects to PostgreSQL; with `reach`, where that lets it.
    ///
    /// # Errors
    /// The address is none or refused, or nobody answers there.
    pub async fn postgres(url: &str, reach: Option<&Arc<dyn Reach>>) -> Result<Self, ScriptError> {
        let connected = postgres::connect(url, reach).await;
        Ok(Self::Postgres(Box::new(connected.map_err(ScriptError::of_connection)?)))
    }

    /// Applies what is not applied yet; `told` hears of each.
    ///
    /// # Errors
    /// Why the first that was not applied was not; those before it are.
    pub async fn up(
        &mut self,
        scripts: &Arc<Scripts>,
        mut told: impl FnMut(&str) + Send,
    ) -> Result<(), ScriptError> {
        let scripts = scripts.clone();
        let choose: Arc<Choose> = Arc::new(move |applied| scripts.next_up(applied));
        while let Some(name) = self.step(&choose).await? {
            told(&name);
        }
        Ok(())
    }

    /// Takes back the newest `steps`; `told` hears of each.
    ///
    /// # Errors
    /// None is applied, or why the first that was not taken back was not.
    pub async fn down(
        &mut self,
        scripts: &Arc<Scripts>,
        steps: usize,
        mut told: impl FnMut(&str) + Send,
    ) -> Result<(), ScriptError> {
        let scripts = scripts.clone();
        let choose: Arc<Choose> = Arc::new(move |applied| scripts.next_down(applied));
        for step in 0..steps {
            match self.step(&choose).await? {
                Some(name) => told(&name),
                None if step == 0 => return Err(ScriptError::NothingApplied),
                None => break,
            }
        }
        Ok(())
    }

    /// How each stands.
    ///
    /// # Errors
    /// An applied one was changed or is missing; the database failed.
    pub async fn status(&mut self, scripts: &Arc<Scripts>) -> Result<Vec<ScriptStatus>, ScriptError> {
        let found = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (asked, kept) = (scripts.clone(), found.clone());
        let choose: Arc<Choose> = Arc::new(move |applied| {
            asked.checked(applied)?;
            *kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = asked.status(applied);
            Ok(None)
        });
        self.step(&choose).await?;
        let status = std::mem::take(&mut *found.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        Ok(status)
    }

    /// Drops every table and whatever else there is, the framework's and `_migrations` too.
    ///
    /// # Errors
    /// The database failed; then nothing was dropped.
    pub async fn drop_everything(&mut self) -> Result<(), ScriptError> {
        match self {
            Self::Sqlite(file) => Ok(file.drop_everything().await?),
            Self::Postgres(connection) => {
                let mut transaction = locked(connection).await?;
                transaction.execute(DROP_EVERYTHING).await?;
                Ok(transaction.commit().await?)
            }
        }
    }

    async fn step(&mut self, choose: &Arc<Choose>) -> Result<Option<String>, ScriptError> {
        match self {
            Self::Sqlite(file) => {
                let choose = choose.clone();
                file.step(move |applied| choose(applied)).await
            }
            Self::Postgres(connection) => step_postgres(connection, choose.as_ref()).await,
        }
    }
}

async fn locked(connection: &mut PgConnection) -> Result<PgTransaction<'_>, ScriptError> {
    let mut transaction = connection.begin().await?;
    transaction.execute(SETTINGS).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    Ok(transaction)
}

async fn step_postgres(
    connection: &mut PgConnection,
    choose: &Choose,
) -> Result<Option<String>, ScriptError> {
    let mut transaction = locked(connection).await?;
    transaction.execute(TABLE).await?;
    let rows: Vec<(String, String, i64)> = sqlx::query_as(APPLIED).fetch_all(&mut *transaction).await?;
    let applied: Vec<_> =
        rows.into_iter().map(|(name, checksum, applied_at)| Applied { name, checksum, applied_at }).collect();
    let Some(Step { name, sql, checksum }) = choose(&applied)? else {
        transaction.commit().await?;
        return Ok(None);
    };
    // The application's own SQL, run as whoever it connects as.
    let run = transaction.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await;
    run.map_err(|error| ScriptError::Step { name: name.clone(), message: error.to_string() })?;
    let mark = match checksum {
        Some(checksum) => {
            sqlx::query("INSERT INTO _migrations (name, checksum, applied_at) VALUES ($1, $2, $3)")
                .bind(&name)
                .bind(checksum)
                .bind(now_ms())
        }
        None => sqlx::query("DELETE FROM _migrations WHERE name = $1").bind(&name),
    };
    mark.execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Some(name))
}
