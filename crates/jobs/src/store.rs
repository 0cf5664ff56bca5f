//! The tables. The only place with SQL; statements keep to what SQLite and PostgreSQL share, and what differs comes
//! from `sql::shared::Dialect`.

pub(crate) mod cursors;
pub(crate) mod failures;
pub(crate) mod inspect;
pub(crate) mod instances;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod purge;
pub(crate) mod queues;
pub(crate) mod runs;
pub(crate) mod schedules;

use sql::shared::{Dialect, Query, SharedDatabase, SharedWrite};
use sql::{Migration, SqlError};

const OWNER: &str = "jobs";
/// The schema of PostgreSQL that has the tables.
pub const SCHEMA: &str = "bunbase_jobs";
/// Rows that one statement removes or moves.
pub(crate) const SHARE_MAX: i64 = 500;

/// States that have an index of their own are literals in the statements, so that SQLite finds the index.
const MIGRATIONS: &[Migration] = &[FIRST, INSTANCES];

const FIRST: Migration = Migration {
    number: 1,
    name: "queue, dead letters, schedules, cursors",
    sql: "CREATE TABLE job_queue (
        id TEXT PRIMARY KEY NOT NULL,
        project TEXT NOT NULL,
        queue TEXT NOT NULL,
        state TEXT NOT NULL,
        priority INTEGER NOT NULL,
        run_at INTEGER NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        claimed_at INTEGER,
        unique_key TEXT,
        unique_keep_ms INTEGER NOT NULL DEFAULT 0,
        concurrency_key TEXT,
        schedule TEXT,
        planned_at INTEGER,
        last_error TEXT,
        options TEXT NOT NULL,
        payload BLOB NOT NULL
    );
    CREATE INDEX job_queue_by_project ON job_queue (project, id);
    CREATE INDEX job_queue_ready ON job_queue (project, queue, priority DESC, run_at, id)
        WHERE state = 'ready';
    CREATE INDEX job_queue_delayed ON job_queue (run_at, id) WHERE state = 'delayed';
    CREATE INDEX job_queue_held ON job_queue (project, queue, concurrency_key, priority DESC, run_at, id)
        WHERE state = 'held';
    CREATE INDEX job_queue_running ON job_queue (id) WHERE state = 'running';
    CREATE INDEX job_queue_by_schedule ON job_queue (project, schedule) WHERE schedule IS NOT NULL;

    CREATE TABLE job_keys (
        project TEXT NOT NULL,
        queue TEXT NOT NULL,
        unique_key TEXT NOT NULL,
        job TEXT NOT NULL,
        expires_at INTEGER,
        PRIMARY KEY (project, queue, unique_key)
    );
    CREATE INDEX job_keys_by_expiry ON job_keys (expires_at) WHERE expires_at IS NOT NULL;
    CREATE INDEX job_keys_by_project_expiry ON job_keys (project, expires_at) WHERE expires_at IS NOT NULL;

    CREATE TABLE job_failures (
        id TEXT PRIMARY KEY NOT NULL,
        project TEXT NOT NULL,
        queue TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        failed_at INTEGER NOT NULL,
        unique_key TEXT,
        unique_keep_ms INTEGER NOT NULL,
        schedule TEXT,
        planned_at INTEGER,
        error TEXT NOT NULL,
        options TEXT NOT NULL,
        payload BLOB NOT NULL
    );
    CREATE INDEX job_failures_by_project ON job_failures (project, id);
    CREATE INDEX job_failures_by_queue ON job_failures (project, queue, id);
    CREATE INDEX job_failures_by_age ON job_failures (failed_at);
    CREATE INDEX job_failures_by_project_age ON job_failures (project, failed_at);

    CREATE TABLE job_queue_settings (
        project TEXT NOT NULL,
        queue TEXT NOT NULL,
        paused INTEGER NOT NULL,
        concurrency_max INTEGER,
        PRIMARY KEY (project, queue)
    );

    CREATE TABLE schedules (
        project TEXT NOT NULL,
        name TEXT NOT NULL,
        settings TEXT NOT NULL,
        queue TEXT NOT NULL,
        payload BLOB NOT NULL,
        paused INTEGER NOT NULL,
        anchor INTEGER NOT NULL,
        next_at INTEGER,
        fire_at INTEGER,
        last_at INTEGER,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (project, name)
    );
    CREATE INDEX schedules_by_fire ON schedules (fire_at) WHERE fire_at IS NOT NULL;
    CREATE INDEX schedules_ended ON schedules (last_at) WHERE next_at IS NULL;

    CREATE TABLE schedule_runs (
        id INTEGER PRIMARY KEY,
        project TEXT NOT NULL,
        schedule TEXT NOT NULL,
        planned_at INTEGER NOT NULL,
        fired_at INTEGER NOT NULL,
        job TEXT,
        outcome TEXT NOT NULL,
        finished_at INTEGER,
        error TEXT
    );
    CREATE INDEX schedule_runs_by_schedule ON schedule_runs (project, schedule, id);

    CREATE TABLE event_cursors (
        project TEXT NOT NULL,
        source TEXT NOT NULL,
        subscriber TEXT NOT NULL,
        position TEXT NOT NULL,
        updated_at INTEGER NOT NULL,
        PRIMARY KEY (project, source, subscriber)
    );",
};

const INSTANCES: Migration = Migration {
    number: 2,
    name: "instances that share the tables",
    sql: "ALTER TABLE job_queue ADD COLUMN claimed_by TEXT;
    CREATE TABLE job_instances (
        id TEXT PRIMARY KEY NOT NULL,
        seen_at INTEGER NOT NULL
    );
    CREATE TABLE job_projects (
        application TEXT PRIMARY KEY NOT NULL,
        project TEXT NOT NULL
    );",
};

/// The tables.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: SharedDatabase,
}

impl Store {
    /// Brings the tables up to date.
    pub(crate) async fn open(database: SharedDatabase) -> Result<Self, SqlError> {
        database.migrate(OWNER, MIGRATIONS).await?;
        Ok(Self { database })
    }

    /// A transaction; only the dispatcher asks for one.
    pub(crate) async fn write(&self) -> Result<SharedWrite, SqlError> {
        self.database.write().await
    }

    /// Whether other processes use the tables too.
    pub(crate) fn is_shared(&self) -> bool {
        self.database.dialect() == Dialect::Postgres
    }
}

/// The texts of a statement's only column.
async fn texts(query: Query<'_>) -> Result<Vec<String>, SqlError> {
    Ok(query.all::<(String,)>().await?.into_iter().map(|row| row.0).collect())
}

/// A column whose text or number this program did not write.
pub(crate) fn undecodable(error: impl std::error::Error + Send + Sync + 'static) -> SqlError {
    SqlError::from(sqlx::Error::Decode(Box::new(error)))
}

/// A count or a time of a table.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A number for a table.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
