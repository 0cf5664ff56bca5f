//! SQLite in this process: WAL, `synchronous=FULL`, documents as JSON text, a connection for each client.

use crate::records::Record;
use crate::store::{Client, Store};
use anyhow::Context as _;
use rusqlite::{Connection, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Writers wait for each other in SQLite itself.
const BUSY_WAIT: Duration = Duration::from_secs(60);
/// Pages in the cache of each connection, in KiB as SQLite takes it.
const CACHE_KIB: i64 = 16 * 1024;

const INSERT: &str = "insert into docs (id, doc) values (?1, ?2)";

pub(crate) struct SqliteStore {
    file: PathBuf,
}

struct SqliteClient(Connection);

impl SqliteStore {
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let store = Self { file: directory.join("bench.db") };
        store
            .connect()?
            .execute_batch("create table docs (id text primary key, doc text not null) without rowid")?;
        Ok(store)
    }

    fn connect(&self) -> anyhow::Result<Connection> {
        let connection = Connection::open(&self.file)?;
        connection.busy_timeout(BUSY_WAIT)?;
        connection.execute_batch("pragma journal_mode=wal; pragma synchronous=full")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(16);
        Ok(connection)
    }
}

impl Store for SqliteStore {
    fn client(&self) -> anyhow::Result<Box<dyn Client + '_>> {
        Ok(Box::new(SqliteClient(self.connect()?)))
    }

    fn build_index(&self) -> anyhow::Result<()> {
        Ok(self.connect()?.execute_batch("create index city on docs (doc ->> 'city'); analyze")?)
    }

    fn disk_bytes(&self) -> anyhow::Result<u64> {
        let sizes = ["bench.db", "bench.db-wal"].map(|name| {
            std::fs::metadata(self.file.with_file_name(name)).map_or(0, |metadata| metadata.len())
        });
        Ok(sizes.iter().sum())
    }
}

impl SqliteClient {
    fn documents(&self, statement: &str, values: impl rusqlite::Params) -> anyhow::Result<usize> {
        let mut statement = self.0.prepare_cached(statement)?;
        let mut rows = statement.query(values)?;
        let mut found = 0;
        while let Some(row) = rows.next()? {
            std::hint::black_box(row.get::<_, String>(0)?);
            found += 1;
        }
        Ok(found)
    }
}

impl Client for SqliteClient {
    fn insert(&mut self, record: &Record) -> anyhow::Result<()> {
        self.0.prepare_cached(INSERT)?.execute(params![record.id, record.json()])?;
        Ok(())
    }

    fn insert_all(&mut self, records: &[Record]) -> anyhow::Result<()> {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for record in records {
                insert.execute(params![record.id, record.json()])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn read(&mut self, id: &str) -> anyhow::Result<usize> {
        let mut statement = self.0.prepare_cached("select doc from docs where id = ?1")?;
        let text: String = statement.query_row([id], |row| row.get(0)).context("a document is missing")?;
        Ok(text.len())
    }

    fn set(&mut self, id: &str, field: &str, value: &str) -> anyhow::Result<()> {
        let statement = "update docs set doc = json_set(doc, '$.' || ?2, ?3) where id = ?1";
        self.0.prepare_cached(statement)?.execute(params![id, field, value])?;
        Ok(())
    }

    fn scan(&mut self, from: &str, count: usize) -> anyhow::Result<usize> {
        let statement = "select doc from docs where id >= ?1 order by id limit ?2";
        self.documents(statement, params![from, count as i64])
    }

    fn of_city(&mut self, city: &str) -> anyhow::Result<usize> {
        self.documents("select doc from docs where doc ->> 'city' = ?1", [city])
    }
}
