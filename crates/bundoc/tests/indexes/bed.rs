//! An engine with one database, and short ways to use it.

use bson::{Document, RawDocumentBuf};
use bundoc::engine::{
    Actor, CollectionName, CollectionPattern, Commit, DatabaseName, DocumentId, Engine, Explanation,
    FieldOrder, FindRequest, GroupPage, IndexSpec, IndexState, Order, Page, Precondition, WriteOp,
};
use bundoc::{EngineError, EngineOptions, FjallEngine};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) struct Bed {
    pub(crate) engine: Arc<FjallEngine>,
    pub(crate) database: DatabaseName,
    options: EngineOptions,
    directory: tempfile::TempDir,
}

pub(crate) fn name(text: &str) -> CollectionName {
    CollectionName::parse(text).unwrap()
}

pub(crate) fn pattern(text: &str) -> CollectionPattern {
    CollectionPattern::parse(text).unwrap()
}

pub(crate) fn up(path: &str) -> FieldOrder {
    FieldOrder { path: path.into(), order: Order::Ascending }
}

pub(crate) fn down(path: &str) -> FieldOrder {
    FieldOrder { path: path.into(), order: Order::Descending }
}

pub(crate) fn on(fields: Vec<FieldOrder>) -> IndexSpec {
    IndexSpec { fields, ..IndexSpec::default() }
}

pub(crate) fn all(filter: Document, sort: Vec<FieldOrder>) -> FindRequest {
    FindRequest { filter, sort, limit: 1_000, ..FindRequest::default() }
}

pub(crate) fn id_of(document: &RawDocumentBuf) -> String {
    document.get_str("_id").unwrap().to_owned()
}

pub(crate) fn ids(page: &Page) -> Vec<String> {
    page.documents.iter().map(|stored| id_of(&stored.document)).collect()
}

pub(crate) fn insert(collection: &str, document: &Document) -> WriteOp {
    WriteOp::Insert { collection: name(collection), document: RawDocumentBuf::try_from(document).unwrap() }
}

pub(crate) fn delete(collection: &str, id: &str) -> WriteOp {
    let id = DocumentId::parse(id).unwrap();
    WriteOp::Delete { collection: name(collection), id, precondition: Precondition::Any }
}

pub(crate) fn set(collection: &str, id: &str, update: Document) -> WriteOp {
    let id = DocumentId::parse(id).unwrap();
    let (collection, update) = (name(collection), update.into());
    WriteOp::Update { collection, id, update, precondition: Precondition::Any }
}

/// Looks again until something is so, which others have to do.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::task::yield_now().await;
    }
}

impl Bed {
    pub(crate) fn with(options: EngineOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (engine, _) = FjallEngine::open(directory.path(), options.clone()).unwrap();
        Self { engine, database: DatabaseName::parse("db").unwrap(), options, directory }
    }

    pub(crate) fn new() -> Self {
        Self::with(EngineOptions::default())
    }

    pub(crate) fn reopened(self) -> Self {
        let Self { engine, database, options, directory } = self;
        drop(engine);
        let (engine, _) = FjallEngine::open(directory.path(), options.clone()).unwrap();
        Self { engine, database, options, directory }
    }

    pub(crate) async fn write(&self, operations: Vec<WriteOp>) -> Result<Commit, EngineError> {
        self.engine.write(&self.database, operations, &Actor::Trusted).await
    }

    pub(crate) async fn fill(&self, collection: &str, documents: &[Document]) {
        for some in documents.chunks(1_000) {
            let operations = some.iter().map(|document| insert(collection, document)).collect();
            self.write(operations).await.unwrap();
        }
    }

    pub(crate) fn state(&self, collection: &str, index: &str) -> IndexState {
        let info = self.engine.collection(&self.database, &name(collection)).unwrap().unwrap();
        info.indexes.into_iter().find(|info| info.name == index).unwrap().state
    }

    /// Creates an index and waits until it is built or failed.
    pub(crate) async fn index(&self, collection: &str, spec: IndexSpec) -> IndexState {
        let info = self.engine.create_index(&self.database, &name(collection), spec).await.unwrap();
        let is_built = || !matches!(self.state(collection, &info.name), IndexState::Building { .. });
        until("the index being built", is_built).await;
        self.state(collection, &info.name)
    }

    pub(crate) async fn group_index(&self, of: &str, spec: IndexSpec) -> String {
        let info = self.engine.create_group_index(&self.database, &pattern(of), spec).await.unwrap();
        let is_built = || {
            let groups = self.engine.group_indexes(&self.database).unwrap();
            groups.iter().any(|known| {
                known.index.name == info.index.name
                    && known.pattern == info.pattern
                    && known.index.state == IndexState::Ready
            })
        };
        until("the group index being built", is_built).await;
        info.index.name
    }

    pub(crate) fn find(&self, collection: &str, request: &FindRequest) -> Page {
        self.engine.find(&self.database, &name(collection), request, &Actor::Trusted).unwrap()
    }

    pub(crate) fn explain(&self, collection: &str, request: &FindRequest) -> Explanation {
        self.engine.explain(&self.database, &name(collection), request).unwrap()
    }

    pub(crate) fn count(&self, collection: &str, filter: &Document) -> u64 {
        self.engine.count(&self.database, &name(collection), filter, &Actor::Trusted).unwrap()
    }

    pub(crate) fn find_group(&self, of: &str, request: &FindRequest, actor: &Actor) -> GroupPage {
        self.engine.find_group(&self.database, &pattern(of), request, actor).unwrap()
    }

    /// All documents, page by page.
    pub(crate) fn paged(&self, collection: &str, request: &FindRequest, limit: usize) -> Vec<RawDocumentBuf> {
        let mut request = FindRequest { limit, ..request.clone() };
        let mut found = Vec::new();
        loop {
            let page = self.find(collection, &request);
            found.extend(page.documents.into_iter().map(|stored| stored.document));
            match page.next_cursor {
                Some(cursor) => request.cursor = Some(cursor),
                None => return found,
            }
        }
    }
}
