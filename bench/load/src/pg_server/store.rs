//! The tables and statements. `docs` is filled and read, `inserts` only grows.

use anyhow::Context as _;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_postgres::types::Json;
use tokio_postgres::{Client, NoTls, Row, Statement};

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS docs (id text PRIMARY KEY, doc jsonb NOT NULL);
    CREATE INDEX IF NOT EXISTS docs_city ON docs ((doc->>'city'));
    CREATE TABLE IF NOT EXISTS inserts (id text PRIMARY KEY, doc jsonb NOT NULL);";
const INSERT: &str = "INSERT INTO inserts (id, doc) VALUES ($1, $2) RETURNING doc";
const FILL: &str = "INSERT INTO docs (id, doc) SELECT * FROM unnest($1::text[], $2::jsonb[])";
const READ: &str = "SELECT doc FROM docs WHERE id = $1";
const BY_CITY: &str = "SELECT doc FROM docs WHERE doc->>'city' = $1 LIMIT $2";
const BY_TEAM: &str = "SELECT doc FROM docs WHERE doc->>'team' = $1 LIMIT $2";

/// A field that the peer can be asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    /// Has an index.
    City,
    /// Has none.
    Team,
}

/// PostgreSQL with the tables of the benchmark.
pub(super) struct Store {
    writes: Pool,
    readers: Vec<Reader>,
    turn: AtomicUsize,
}

struct Reader {
    client: Client,
    read: Statement,
    by_city: Statement,
    by_team: Statement,
}

impl Store {
    pub(super) async fn open(postgres: &str, writers: usize, readers: usize) -> anyhow::Result<Self> {
        let config: tokio_postgres::Config = postgres.parse().context("not a connection string")?;
        let first = connect(&config).await?;
        first.batch_execute(SCHEMA).await.context("cannot create the tables")?;
        let mut opened = Vec::with_capacity(readers);
        for _ in 0..readers {
            opened.push(Reader::open(&config).await?);
        }
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, NoTls, recycling);
        let writes = Pool::builder(manager).max_size(writers).build()?;
        Ok(Self { writes, readers: opened, turn: AtomicUsize::new(0) })
    }

    /// The document as it was stored.
    pub(super) async fn insert(&self, id: &str, document: &RawValue) -> anyhow::Result<Box<RawValue>> {
        let client = self.writes.get().await?;
        let insert = client.prepare_cached(INSERT).await?;
        raw(&client.query_one(&insert, &[&id, &Json(document)]).await?)
    }

    pub(super) async fn fill(&self, ids: &[&str], documents: &[Json<&RawValue>]) -> anyhow::Result<()> {
        let client = self.writes.get().await?;
        let fill = client.prepare_cached(FILL).await?;
        client.execute(&fill, &[&ids, &documents]).await?;
        Ok(())
    }

    pub(super) async fn read(&self, id: &str) -> anyhow::Result<Option<Box<RawValue>>> {
        let reader = self.reader();
        reader.client.query_opt(&reader.read, &[&id]).await?.as_ref().map(raw).transpose()
    }

    pub(super) async fn find(
        &self,
        field: Field,
        value: &str,
        limit: i64,
    ) -> anyhow::Result<Vec<Box<RawValue>>> {
        let reader = self.reader();
        let statement = match field {
            Field::City => &reader.by_city,
            Field::Team => &reader.by_team,
        };
        reader.client.query(statement, &[&value, &limit]).await?.iter().map(raw).collect()
    }

    fn reader(&self) -> &Reader {
        &self.readers[self.turn.fetch_add(1, Ordering::Relaxed) % self.readers.len()]
    }
}

impl Reader {
    async fn open(config: &tokio_postgres::Config) -> anyhow::Result<Self> {
        let client = connect(config).await?;
        let read = client.prepare(READ).await?;
        let by_city = client.prepare(BY_CITY).await?;
        let by_team = client.prepare(BY_TEAM).await?;
        Ok(Self { client, read, by_city, by_team })
    }
}

async fn connect(config: &tokio_postgres::Config) -> anyhow::Result<Client> {
    let (client, connection) = config.connect(NoTls).await.context("cannot connect to PostgreSQL")?;
    tokio::spawn(connection);
    Ok(client)
}

fn raw(row: &Row) -> anyhow::Result<Box<RawValue>> {
    Ok(row.try_get::<_, Json<Box<RawValue>>>(0)?.0)
}
