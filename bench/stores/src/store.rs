//! What a store has to do. One `Client` belongs to one thread and waits for each answer.

use crate::bundoc_store::BundocStore;
use crate::postgres::PostgresStore;
use crate::records::Record;
use crate::sqlite::SqliteStore;
use std::path::PathBuf;

/// Which store, and where.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// The store
    #[arg(long, value_enum)]
    store: Kind,
    /// Directory of the data (bundoc, SQLite)
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Connection string (PostgreSQL)
    #[arg(long)]
    postgres: Option<String>,
}

/// The stores that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Bundoc,
    Postgres,
    Sqlite,
}

/// One connection.
pub(crate) trait Client {
    /// Adds one record, on disk on return.
    fn insert(&mut self, record: &Record) -> anyhow::Result<()>;
    /// Adds records in one transaction, on disk on return.
    fn insert_all(&mut self, records: &[Record]) -> anyhow::Result<()>;
    /// Reads a whole document; its bytes.
    fn read(&mut self, id: &str) -> anyhow::Result<usize>;
    /// Replaces the value of one field, on disk on return.
    fn set(&mut self, id: &str, field: &str, value: &str) -> anyhow::Result<()>;
    /// Reads whole documents in the order of their ids; how many there were.
    fn scan(&mut self, from: &str, count: usize) -> anyhow::Result<usize>;
    /// Reads the whole documents whose `city` this is; how many there were.
    fn of_city(&mut self, city: &str) -> anyhow::Result<usize>;
}

/// A store with an empty collection `docs`.
pub(crate) trait Store: Sync {
    /// Another connection.
    fn client(&self) -> anyhow::Result<Box<dyn Client + '_>>;
    /// Builds the index over `city`, until it is used; then statistics are as after a while.
    fn build_index(&self) -> anyhow::Result<()>;
    /// Bytes on disk.
    fn disk_bytes(&self) -> anyhow::Result<u64>;
}

impl Target {
    /// Opens the store; whatever was there is gone.
    pub(crate) fn open(&self) -> anyhow::Result<Box<dyn Store>> {
        let directory = || self.directory.clone().ok_or_else(|| anyhow::anyhow!("--directory is missing"));
        Ok(match self.store {
            Kind::Bundoc => Box::new(BundocStore::open(&directory()?)?),
            Kind::Sqlite => Box::new(SqliteStore::open(&directory()?)?),
            Kind::Postgres => {
                let connection = self.postgres.clone();
                let connection = connection.ok_or_else(|| anyhow::anyhow!("--postgres is missing"))?;
                Box::new(PostgresStore::open(connection)?)
            }
        })
    }
}
