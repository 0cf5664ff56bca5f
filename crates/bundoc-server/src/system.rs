//! Documents of services (`ports::documents`): collections that begin with `_system/` in the project's own
//! database. Services read and write them in full right; nobody from outside sees or touches them.

use crate::gate::GateError;
use crate::scope::database_of;
use crate::service::BundocServer;
use async_trait::async_trait;
use bundoc::engine::{
    Actor, CollectionName, DocumentId, FieldOrder, FindRequest, IndexSpec, IndexState, Order, Precondition,
    StoredDocument, WriteOp,
};
use bundoc::error::EngineError;
use ports::documents::{
    At, Condition, Documents, DocumentsError, Find, Found, SYSTEM_PREFIX, Stored, Uniqueness, Write,
};
use service_kit::ids::ProjectId;
use std::time::Duration;

/// How long it takes at the most until a new index is in use.
const INDEX_WAIT_MAX: Duration = Duration::from_secs(30);
/// How often it is looked: the engine tells nobody.
const INDEX_POLL: Duration = Duration::from_millis(5);

/// An index that was declared cannot be used.
#[derive(Debug, thiserror::Error)]
enum IndexError {
    #[error("the index was not built in time")]
    Late,
    #[error("the index could not be built: {0}")]
    Failed(String),
}

/// Whether a collection belongs to a service.
pub(crate) fn is_system(collection: &str) -> bool {
    collection.starts_with(SYSTEM_PREFIX)
}

fn collection(name: &str) -> Result<CollectionName, DocumentsError> {
    if !is_system(name) {
        let message = format!("`{name}` does not begin with `{SYSTEM_PREFIX}`");
        return Err(DocumentsError::Invalid(message));
    }
    CollectionName::parse(name).map_err(refused)
}

// By value: it stands in `map_err`.
fn refused(error: EngineError) -> DocumentsError {
    match error {
        EngineError::BatchOperation { source, .. } => refused(*source),
        EngineError::DocumentNotFound { .. } => DocumentsError::NotFound,
        EngineError::PreconditionFailed { .. } | EngineError::DocumentExists { .. } => {
            DocumentsError::Conflict
        }
        EngineError::UniqueViolation { .. } => DocumentsError::Duplicate,
        EngineError::InvalidName(_)
        | EngineError::InvalidDocument(_)
        | EngineError::InvalidQuery(_)
        | EngineError::InvalidUpdate(_)
        | EngineError::InvalidIndex(_)
        | EngineError::InvalidRule { .. }
        | EngineError::CollectionNotFound(_)
        | EngineError::CollectionExists(_)
        | EngineError::IndexNotFound(_)
        | EngineError::IndexExists(_)
        | EngineError::Denied { .. }
        | EngineError::LimitExceeded { .. } => DocumentsError::Invalid(error.to_string()),
        EngineError::QueryTooExpensive { .. }
        | EngineError::TransactionConflict
        | EngineError::TransactionExpired
        | EngineError::Busy
        | EngineError::FeedTrimmed
        | EngineError::DiskFull
        | EngineError::WritesStopped
        | EngineError::Locked { .. }
        | EngineError::NewerFormat { .. }
        | EngineError::OlderFormat { .. }
        | EngineError::Damaged(_)
        | EngineError::Storage(_)
        | EngineError::Closed => DocumentsError::Unavailable(Box::new(error)),
    }
}

fn busy(error: GateError) -> DocumentsError {
    DocumentsError::Unavailable(Box::new(error))
}

fn stored(found: StoredDocument) -> Stored {
    Stored { document: found.document, version: found.version }
}

fn precondition(condition: Condition) -> Precondition {
    match condition {
        Condition::Any => Precondition::Any,
        Condition::Version(version) => Precondition::Version(version),
        Condition::Absent => Precondition::Absent,
    }
}

fn operation(write: Write) -> Result<WriteOp, DocumentsError> {
    match write {
        Write::Put { collection: name, document, condition } => {
            let id = document.get_str("_id").map_err(|error| DocumentsError::Invalid(error.to_string()))?;
            let id = DocumentId::parse(id).map_err(refused)?;
            let precondition = precondition(condition);
            Ok(WriteOp::Replace { collection: collection(&name)?, id, document, precondition })
        }
        Write::Delete { collection: name, id, condition } => Ok(WriteOp::Delete {
            collection: collection(&name)?,
            id: DocumentId::parse(&id).map_err(refused)?,
            precondition: precondition(condition),
        }),
    }
}

fn request(find: Find) -> FindRequest {
    let sort = find.sort.map(|path| FieldOrder { path, order: Order::Ascending });
    FindRequest {
        filter: find.filter,
        sort: sort.into_iter().collect(),
        limit: find.limit,
        cursor: find.cursor,
        ..FindRequest::default()
    }
}

#[async_trait]
impl Documents for BundocServer {
    async fn ensure_index(
        &self,
        at: At<'_>,
        fields: &[&str],
        unique: Uniqueness,
    ) -> Result<(), DocumentsError> {
        let (database, name) = (database_of(at.project).map_err(refused)?, collection(at.collection)?);
        if self.engine.collection(&database, &name).map_err(refused)?.is_none() {
            match self.engine.create_collection(&database, &name, Default::default()).await {
                // Somebody else was faster.
                Ok(_) | Err(EngineError::CollectionExists(_)) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        let field = |path: &&str| FieldOrder { path: (*path).to_owned(), order: Order::Ascending };
        let fields = fields.iter().map(field).collect();
        let spec = IndexSpec { fields, unique: unique == Uniqueness::Unique, ..IndexSpec::default() };
        let declared = self.engine.create_index(&database, &name, spec).await.map_err(refused)?;
        let in_use = async {
            let mut state = Some(declared.state);
            loop {
                match state {
                    Some(IndexState::Ready) => return Ok(()),
                    Some(IndexState::Failed { reason }) => {
                        return Err(DocumentsError::Unavailable(Box::new(IndexError::Failed(reason))));
                    }
                    Some(IndexState::Building { .. }) | None => tokio::time::sleep(INDEX_POLL).await,
                }
                let found = self.engine.collection(&database, &name).map_err(refused)?;
                let indexes = found.map(|info| info.indexes).unwrap_or_default();
                let index = indexes.into_iter().find(|index| index.name == declared.name);
                state = index.map(|index| index.state);
            }
        };
        let late = |_| Err(DocumentsError::Unavailable(Box::new(IndexError::Late)));
        tokio::time::timeout(INDEX_WAIT_MAX, in_use).await.unwrap_or_else(late)
    }

    async fn get(&self, at: At<'_>, id: &str) -> Result<Option<Stored>, DocumentsError> {
        let (database, name) = (database_of(at.project).map_err(refused)?, collection(at.collection)?);
        let id = DocumentId::parse(id).map_err(refused)?;
        let found = self.engine.get(&database, &name, &id, &Actor::Trusted).map_err(refused)?;
        Ok(found.map(stored))
    }

    async fn find(&self, at: At<'_>, find: Find) -> Result<Found, DocumentsError> {
        let (database, name) = (database_of(at.project).map_err(refused)?, collection(at.collection)?);
        let engine = self.engine.clone();
        let find = move || engine.find(&database, &name, &request(find), &Actor::Trusted);
        let page = self.gate.run(at.project, find).await.map_err(busy)?.map_err(refused)?;
        let documents = page.documents.into_iter().map(stored).collect();
        Ok(Found { documents, next_cursor: page.next_cursor })
    }

    async fn write(&self, project: &ProjectId, writes: Vec<Write>) -> Result<(), DocumentsError> {
        let database = database_of(project).map_err(refused)?;
        let operations = writes.into_iter().map(operation).collect::<Result<_, _>>()?;
        self.engine.write(&database, operations, &Actor::Trusted).await.map(drop).map_err(refused)
    }
}
