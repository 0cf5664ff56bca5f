//! bundoc in this process, with its default options.

use crate::records::Record;
use crate::store::{Client, Store};
use anyhow::Context as _;
use bson::raw::CString;
use bson::{RawDocumentBuf, doc};
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, DocumentId, Engine, FieldOrder, FindRequest, IndexSpec, IndexState,
    Order, WriteOp,
};
use bundoc::{EngineOptions, FjallEngine};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const INDEX_POLL: Duration = Duration::from_millis(5);
/// The largest page.
const PAGE: usize = 1_000;

pub(crate) struct BundocStore {
    engine: Arc<FjallEngine>,
    place: Place,
}

/// A collection of a database.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) database: DatabaseName,
    pub(crate) collection: CollectionName,
}

impl Place {
    pub(crate) fn new(database: &str) -> anyhow::Result<Self> {
        Ok(Self { database: DatabaseName::parse(database)?, collection: CollectionName::parse("docs")? })
    }
}

struct BundocClient<'a> {
    engine: &'a FjallEngine,
    place: &'a Place,
    runtime: tokio::runtime::Runtime,
}

/// The insertion of a record.
pub(crate) fn insertion(collection: &CollectionName, record: &Record) -> anyhow::Result<WriteOp> {
    let mut document = RawDocumentBuf::new();
    let mut append = |name: &str, value: &str| -> anyhow::Result<()> {
        document.append(CString::try_from(name)?, value);
        Ok(())
    };
    append("_id", &record.id)?;
    for (name, value) in &record.fields {
        append(name, value)?;
    }
    Ok(WriteOp::Insert { collection: collection.clone(), document })
}

impl BundocStore {
    pub(crate) fn open(directory: &Path) -> anyhow::Result<Self> {
        let (engine, _) = FjallEngine::open(directory, EngineOptions::default())?;
        Ok(Self { engine, place: Place::new("bench")? })
    }
}

impl Store for BundocStore {
    fn client(&self) -> anyhow::Result<Box<dyn Client + '_>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Box::new(BundocClient { engine: &self.engine, place: &self.place, runtime }))
    }

    fn build_index(&self) -> anyhow::Result<()> {
        let Place { database, collection } = &self.place;
        let fields = vec![FieldOrder { path: "city".into(), order: Order::Ascending }];
        let spec = IndexSpec { fields, ..IndexSpec::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(self.engine.create_index(database, collection, spec))?;
        loop {
            let info = self.engine.collection(database, collection)?.context("the collection is gone")?;
            match info.indexes.first().map(|index| &index.state) {
                Some(IndexState::Ready) => return Ok(()),
                Some(IndexState::Building { .. }) => std::thread::sleep(INDEX_POLL),
                other => anyhow::bail!("the index is not built: {other:?}"),
            }
        }
    }

    fn disk_bytes(&self) -> anyhow::Result<u64> {
        Ok(self.engine.stats().disk_bytes)
    }
}

impl BundocClient<'_> {
    fn write(&self, operations: Vec<WriteOp>) -> anyhow::Result<()> {
        self.runtime.block_on(self.engine.write(&self.place.database, operations, &Actor::Trusted))?;
        Ok(())
    }

    fn find(&self, request: &FindRequest) -> anyhow::Result<usize> {
        let Place { database, collection } = self.place;
        Ok(self.engine.find(database, collection, request, &Actor::Trusted)?.documents.len())
    }
}

impl Client for BundocClient<'_> {
    fn insert(&mut self, record: &Record) -> anyhow::Result<()> {
        self.write(vec![insertion(&self.place.collection, record)?])
    }

    fn insert_all(&mut self, records: &[Record]) -> anyhow::Result<()> {
        let collection = &self.place.collection;
        self.write(records.iter().map(|record| insertion(collection, record)).collect::<Result<_, _>>()?)
    }

    fn read(&mut self, id: &str) -> anyhow::Result<usize> {
        let Place { database, collection } = self.place;
        let found = self.engine.get(database, collection, &DocumentId::parse(id)?, &Actor::Trusted)?;
        Ok(found.context("a document is missing")?.document.as_bytes().len())
    }

    fn set(&mut self, id: &str, field: &str, value: &str) -> anyhow::Result<()> {
        self.write(vec![WriteOp::Update {
            collection: self.place.collection.clone(),
            id: DocumentId::parse(id)?,
            update: doc! { "$set": { field: value } }.into(),
            precondition: Default::default(),
        }])
    }

    fn scan(&mut self, from: &str, count: usize) -> anyhow::Result<usize> {
        let filter = doc! { "_id": { "$gte": from } };
        self.find(&FindRequest { filter, limit: count, ..FindRequest::default() })
    }

    fn of_city(&mut self, city: &str) -> anyhow::Result<usize> {
        self.find(&FindRequest { filter: doc! { "city": city }, limit: PAGE, ..FindRequest::default() })
    }
}
