//! What reads are answered from: the engine, or the open transaction that the call belongs to. One way to
//! ask both, so that every reading call works inside transactions as well.

use crate::limit::Limit;
use crate::scope::{Scope, visible_to};
use crate::service::BundocServer;
use crate::{error, json};
use bson::{Bson, Document};
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, DocumentId, Engine, FindRequest, Page, StoredDocument, Transaction,
    WriteOp, Written,
};
use bundoc::error::EngineError;
use ports::events::Topic;
use ports::jobs::{EnqueueOptions, check_queue};
use service_kit::error::{ApiError, ErrorCode};

/// The source of a read.
pub(crate) enum Reader<'a> {
    Engine { engine: &'a dyn Engine, database: &'a DatabaseName, actor: &'a Actor },
    Transaction(&'a mut dyn Transaction),
}

impl Reader<'_> {
    pub(crate) fn find(
        &mut self,
        collection: &CollectionName,
        request: &FindRequest,
    ) -> Result<Page, EngineError> {
        match self {
            Self::Engine { engine, database, actor } => engine.find(database, collection, request, actor),
            Self::Transaction(transaction) => transaction.find(collection, request),
        }
    }

    pub(crate) fn count(
        &mut self,
        collection: &CollectionName,
        filter: &Document,
    ) -> Result<u64, EngineError> {
        match self {
            Self::Engine { engine, database, actor } => engine.count(database, collection, filter, actor),
            Self::Transaction(transaction) => transaction.count(collection, filter),
        }
    }

    pub(crate) fn distinct(
        &mut self,
        collection: &CollectionName,
        field: &str,
        filter: &Document,
    ) -> Result<Vec<Bson>, EngineError> {
        match self {
            Self::Engine { engine, database, actor } => {
                engine.distinct(database, collection, field, filter, actor)
            }
            Self::Transaction(transaction) => transaction.distinct(collection, field, filter),
        }
    }
}

/// What a write did. Inside a transaction there is no commit yet.
pub(crate) struct Outcome {
    pub(crate) commit: Option<u64>,
    pub(crate) written: Vec<Written>,
}

impl BundocServer {
    /// Runs a blocking read when it is the project's turn.
    pub(crate) async fn read<T, F>(&self, scope: &Scope, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader<'_>) -> Result<T, EngineError> + Send + 'static,
    {
        let done = match &scope.transaction {
            Some(id) => {
                let work =
                    move |transaction: &mut dyn Transaction| work(&mut Reader::Transaction(transaction));
                self.transactions.run(scope, id, work).await?
            }
            None => {
                let (engine, database) = (self.engine.clone(), scope.database.clone());
                let actor = scope.actor.clone();
                let work = move || {
                    let (engine, database, actor) = (&*engine, &database, &actor);
                    work(&mut Reader::Engine { engine, database, actor })
                };
                self.gate.run(&scope.project, work).await.map_err(|refused| refused.answer())?
            }
        };
        done.map_err(|failed| error::engine(visible_to(&scope.actor, failed)))
    }

    /// One document. Outside of transactions it waits for nobody: reads by id do not queue behind queries.
    pub(crate) async fn get(
        &self,
        scope: &Scope,
        collection: &CollectionName,
        id: &DocumentId,
    ) -> Result<Option<StoredDocument>, ApiError> {
        let found = match &scope.transaction {
            None => self.engine.get(&scope.database, collection, id, &scope.actor),
            Some(transaction) => {
                let (collection, id) = (collection.clone(), id.clone());
                let get = move |transaction: &mut dyn Transaction| transaction.get(&collection, &id);
                self.transactions.run(scope, transaction, get).await?
            }
        };
        found.map_err(|failed| error::engine(scope.visible(failed)))
    }

    /// Refuses operations on collections of services, and events and jobs that may not be.
    pub(crate) fn check_operations(&self, scope: &Scope, operations: &[WriteOp]) -> Result<(), ApiError> {
        let check = |operation: &WriteOp| match operation {
            WriteOp::Emit { topic, payload } => {
                let topic = Topic::parse(topic).map_err(ApiError::from)?;
                if topic.as_str().split('.').next() == Some("db") {
                    let message = "topics that begin with `db.` carry the changes of documents";
                    return Err(ApiError::new(ErrorCode::InvalidName, message));
                }
                self.check_payload(scope, payload)
            }
            WriteOp::Enqueue { queue, payload, options } => {
                check_queue(queue).map_err(ApiError::from)?;
                bson::deserialize_from_document::<EnqueueOptions>(options.clone()).map_err(|error| {
                    let reason = error.message.unwrap_or_default();
                    ApiError::new(ErrorCode::InvalidRequest, format!("options of a job: {reason}"))
                })?;
                self.check_payload(scope, payload)
            }
            _ => operation.collection().map_or(Ok(()), |name| scope.collection(name.as_str()).map(drop)),
        };
        let mut operations = operations.iter().enumerate();
        operations.try_for_each(|(index, operation)| {
            check(operation).map_err(|refused| error::at_operation(index, refused))
        })
    }

    fn check_payload(&self, scope: &Scope, payload: &Bson) -> Result<(), ApiError> {
        if scope.is_ruled() {
            let message = "events and jobs in a batch are for secret keys and developers";
            return Err(ApiError::new(ErrorCode::Forbidden, message));
        }
        let max = self.config.emit_bytes_max;
        if json::write_value(payload)?.len() > max {
            let message = format!("what an event or a job carries has {max} bytes at the most");
            return Err(Limit::EmitBytes.refusal(message));
        }
        Ok(())
    }

    /// Commits all writes or none; inside a transaction, notes them there. `explain` makes an answer of
    /// what failed.
    pub(crate) async fn write(
        &self,
        scope: &Scope,
        operations: Vec<WriteOp>,
        explain: fn(EngineError) -> ApiError,
    ) -> Result<Outcome, ApiError> {
        let done = match &scope.transaction {
            None => self
                .engine
                .write(&scope.database, operations, &scope.actor)
                .await
                .map(|commit| Outcome { commit: Some(commit.number), written: commit.written }),
            Some(id) => {
                let write = move |transaction: &mut dyn Transaction| transaction.write(operations);
                let written = self.transactions.run(scope, id, write).await?;
                written.map(|written| Outcome { commit: None, written })
            }
        };
        done.map_err(|failed| explain(scope.visible(failed)))
    }
}
