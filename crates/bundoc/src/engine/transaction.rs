//! Interactive transactions: a snapshot to read from, writes that only the transaction sees, and one commit.

use super::{CollectionName, Commit, DocumentId, FindRequest, Page, StoredDocument, WriteOp, Written};
use crate::error::EngineError;
use bson::{Bson, Document};

/// One transaction over one database, on behalf of one actor. Serializable: it commits only where nothing
/// that it read was changed by others since its snapshot, and where nothing appeared that its queries would
/// have found. Dropping it aborts it. Its methods block like those of `Engine`.
///
/// Every method may fail with `EngineError::TransactionExpired`, where the snapshot is older than the engine
/// keeps history for.
#[async_trait::async_trait]
pub trait Transaction: Send {
    /// One document as the transaction sees it.
    fn get(
        &mut self,
        collection: &CollectionName,
        id: &DocumentId,
    ) -> Result<Option<StoredDocument>, EngineError>;

    /// One page of a query, over the snapshot and the transaction's own writes.
    fn find(&mut self, collection: &CollectionName, request: &FindRequest) -> Result<Page, EngineError>;

    /// How many documents match.
    fn count(&mut self, collection: &CollectionName, filter: &Document) -> Result<u64, EngineError>;

    /// The different values of a field in documents that match.
    fn distinct(
        &mut self,
        collection: &CollectionName,
        field: &str,
        filter: &Document,
    ) -> Result<Vec<Bson>, EngineError>;

    /// Writes that the transaction sees from now on and others after the commit. Where one fails, none of
    /// them is kept, and the transaction goes on. Versions of written documents are 0 until the commit.
    fn write(&mut self, operations: Vec<WriteOp>) -> Result<Vec<Written>, EngineError>;

    /// Commits, durable on return.
    ///
    /// # Errors
    /// `EngineError::TransactionConflict` where somebody else changed what it read: nothing was written, and
    /// the whole transaction may be tried again.
    async fn commit(self: Box<Self>) -> Result<Commit, EngineError>;
}
