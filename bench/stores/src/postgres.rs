//! PostgreSQL jsonb over its socket, prepared statements, a connection for each client. Durability is that
//! of the server: the harness starts it with `fsync=on` and `synchronous_commit=on`.

use crate::records::Record;
use crate::store::{Client, Store};
use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio_postgres::types::Json;
use tokio_postgres::{NoTls, Statement};

pub(crate) struct PostgresStore {
    connection: String,
}

struct PostgresClient {
    runtime: Runtime,
    client: tokio_postgres::Client,
    statements: Statements,
}

struct Statements {
    insert: Statement,
    insert_all: Statement,
    read: Statement,
    set: Statement,
    scan: Statement,
    of_city: Statement,
}

impl PostgresStore {
    pub(crate) fn open(connection: String) -> anyhow::Result<Self> {
        let store = Self { connection };
        let (runtime, client) = store.connect()?;
        let tables = "drop table if exists docs; create table docs (id text collate \"C\" primary key, doc jsonb not null)";
        runtime.block_on(client.batch_execute(tables))?;
        Ok(store)
    }

    fn connect(&self) -> anyhow::Result<(Runtime, tokio_postgres::Client)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (client, connection) = runtime.block_on(tokio_postgres::connect(&self.connection, NoTls))?;
        runtime.spawn(connection);
        Ok((runtime, client))
    }
}

impl Store for PostgresStore {
    fn client(&self) -> anyhow::Result<Box<dyn Client + '_>> {
        let (runtime, client) = self.connect()?;
        let statements = runtime.block_on(prepare(&client))?;
        Ok(Box::new(PostgresClient { runtime, client, statements }))
    }

    fn build_index(&self) -> anyhow::Result<()> {
        let (runtime, client) = self.connect()?;
        runtime.block_on(client.batch_execute("create index on docs ((doc ->> 'city'))"))?;
        Ok(runtime.block_on(client.batch_execute("vacuum analyze docs"))?)
    }

    fn disk_bytes(&self) -> anyhow::Result<u64> {
        let (runtime, client) = self.connect()?;
        let row = runtime.block_on(client.query_one("select pg_total_relation_size('docs')", &[]))?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }
}

async fn prepare(client: &tokio_postgres::Client) -> anyhow::Result<Statements> {
    Ok(Statements {
        insert: client.prepare("insert into docs (id, doc) values ($1, $2::text::jsonb)").await?,
        insert_all: client
            .prepare(
                "insert into docs select id, doc::jsonb from unnest($1::text[], $2::text[]) as new (id, doc)",
            )
            .await?,
        read: client.prepare("select doc from docs where id = $1").await?,
        set: client
            .prepare("update docs set doc = jsonb_set(doc, array[$2], to_jsonb($3::text)) where id = $1")
            .await?,
        scan: client.prepare("select doc from docs where id >= $1 order by id limit $2").await?,
        of_city: client.prepare("select doc from docs where doc ->> 'city' = $1").await?,
    })
}

/// The text of a document, not taken apart.
type Text<'a> = Json<&'a serde_json::value::RawValue>;

impl Client for PostgresClient {
    fn insert(&mut self, record: &Record) -> anyhow::Result<()> {
        let json = record.json();
        self.runtime.block_on(self.client.execute(&self.statements.insert, &[&record.id, &json]))?;
        Ok(())
    }

    fn insert_all(&mut self, records: &[Record]) -> anyhow::Result<()> {
        let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
        let documents: Vec<String> = records.iter().map(Record::json).collect();
        self.runtime.block_on(self.client.execute(&self.statements.insert_all, &[&ids, &documents]))?;
        Ok(())
    }

    fn read(&mut self, id: &str) -> anyhow::Result<usize> {
        let row = self.runtime.block_on(self.client.query_opt(&self.statements.read, &[&id]))?;
        let row = row.context("a document is missing")?;
        Ok(row.get::<_, Text<'_>>(0).0.get().len())
    }

    fn set(&mut self, id: &str, field: &str, value: &str) -> anyhow::Result<()> {
        self.runtime.block_on(self.client.execute(&self.statements.set, &[&id, &field, &value]))?;
        Ok(())
    }

    fn scan(&mut self, from: &str, count: usize) -> anyhow::Result<usize> {
        let count = i64::try_from(count)?;
        Ok(self.runtime.block_on(self.client.query(&self.statements.scan, &[&from, &count]))?.len())
    }

    fn of_city(&mut self, city: &str) -> anyhow::Result<usize> {
        Ok(self.runtime.block_on(self.client.query(&self.statements.of_city, &[&city]))?.len())
    }
}
