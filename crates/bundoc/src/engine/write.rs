//! What can be written, and what a write answers.

use super::{CollectionName, DocumentId, FieldOrder, StoredDocument};
use bson::{Bson, Document, RawDocumentBuf};

/// A condition on the present state of a document, evaluated in the committer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precondition {
    /// None.
    #[default]
    Any,
    /// The document exists with this version.
    Version(u64),
    /// There is no such document.
    Absent,
}

/// One write.
#[derive(Debug, Clone)]
pub enum WriteOp {
    /// Creates a document. `document._id` is used, or a new time-ordered id is made. An existing id is
    /// `EngineError::DocumentExists`.
    Insert {
        /// Where.
        collection: CollectionName,
        /// What; may lack `_id`.
        document: RawDocumentBuf,
    },
    /// Puts a whole document in the place of `id`, creating it where it is missing.
    Replace {
        /// Where.
        collection: CollectionName,
        /// Which.
        id: DocumentId,
        /// What; an `_id` in it must equal `id`.
        document: RawDocumentBuf,
        /// Condition.
        precondition: Precondition,
    },
    /// Changes fields of an existing document; a missing one is `EngineError::DocumentNotFound`.
    Update {
        /// Where.
        collection: CollectionName,
        /// Which.
        id: DocumentId,
        /// How.
        update: UpdateSpec,
        /// Condition.
        precondition: Precondition,
    },
    /// Removes a document; a missing one is `EngineError::DocumentNotFound`.
    Delete {
        /// Where.
        collection: CollectionName,
        /// Which.
        id: DocumentId,
        /// Condition.
        precondition: Precondition,
    },
    /// Changes what a filter matches, in the state that the commit is applied to.
    UpdateMatching {
        /// Where.
        collection: CollectionName,
        /// Which.
        filter: Document,
        /// How; never `Remove`.
        change: Modification,
        /// Whether to change all that match, or the first in `_id` order.
        many: bool,
        /// Whether to create a document where none matches.
        upsert: bool,
    },
    /// Removes what a filter matches, in the state that the commit is applied to.
    DeleteMatching {
        /// Where.
        collection: CollectionName,
        /// Which.
        filter: Document,
        /// Whether to remove all that match, or the first in `_id` order.
        many: bool,
    },
    /// Changes or removes the first document in an order that a filter matches, and gives it back.
    FindAndModify(FindAndModify),
    /// Publishes an event once the commit is durable: kept in the outbox, relayed at least once, and told
    /// apart by its place there. Trusted actors only.
    Emit {
        /// Topic on the event bus.
        topic: String,
        /// What is published.
        payload: Bson,
    },
    /// Puts a job into a queue once the commit is durable; otherwise like `Emit`.
    Enqueue {
        /// Queue.
        queue: String,
        /// What the job gets.
        payload: Bson,
        /// Delay, priority and whatever else the queue takes.
        options: Document,
    },
}

/// How fields are changed.
#[derive(Debug, Clone, Default)]
pub struct UpdateSpec {
    /// Either operators (`$set`, `$inc`, `$push`, …) or plain fields, which mean `$set` with dot paths.
    pub update: Document,
    /// What `$[name]` in a path stands for: a filter over elements for each name.
    pub array_filters: Vec<Document>,
}

impl From<Document> for UpdateSpec {
    /// An update without filters for array elements.
    fn from(update: Document) -> Self {
        Self { update, array_filters: Vec::new() }
    }
}

/// What is done with a document that a filter found.
#[derive(Debug, Clone)]
pub enum Modification {
    /// Some fields are changed.
    Update(UpdateSpec),
    /// All but its `_id` is replaced.
    Replace(RawDocumentBuf),
    /// It is removed.
    Remove,
}

/// Which state of a document is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Returning {
    /// As it was.
    #[default]
    Before,
    /// As it is now.
    After,
}

/// See `WriteOp::FindAndModify`.
#[derive(Debug, Clone)]
pub struct FindAndModify {
    /// Where.
    pub collection: CollectionName,
    /// Which.
    pub filter: Document,
    /// The first in this order; without any that of `_id`.
    pub sort: Vec<FieldOrder>,
    /// What is done with it.
    pub change: Modification,
    /// Whether to create a document where none matches.
    pub upsert: bool,
    /// Projection of what is given back.
    pub fields: Document,
    /// What is given back.
    pub returning: Returning,
}

impl WriteOp {
    /// Where it writes; an event and a job are in no collection.
    pub fn collection(&self) -> Option<&CollectionName> {
        match self {
            Self::Insert { collection, .. }
            | Self::Replace { collection, .. }
            | Self::Update { collection, .. }
            | Self::Delete { collection, .. }
            | Self::UpdateMatching { collection, .. }
            | Self::DeleteMatching { collection, .. }
            | Self::FindAndModify(FindAndModify { collection, .. }) => Some(collection),
            Self::Emit { .. } | Self::Enqueue { .. } => None,
        }
    }
}

/// What one write of a batch did.
#[derive(Debug, Clone)]
pub enum Written {
    /// A document was created.
    Created(StoredDocument),
    /// A document was changed (or replaced).
    Changed(StoredDocument),
    /// A document was removed.
    Removed(DocumentId),
    /// What `UpdateMatching` did.
    Updated {
        /// Documents that matched.
        matched: u64,
        /// Documents that are other than before.
        modified: u64,
        /// The document that was created because none matched.
        upserted_id: Option<DocumentId>,
    },
    /// How many documents `DeleteMatching` removed.
    Deleted(u64),
    /// What `FindAndModify` gives back, cut to its fields.
    Found(Option<StoredDocument>),
    /// An event or a job was noted.
    Noted,
}

/// The answer to a batch: durable when it is returned.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The commit number; that of the last commit before, where nothing was to be written.
    pub number: u64,
    /// One entry for each write, in order; of a transaction, one for each document that is other than in
    /// its snapshot, as it is now.
    pub written: Vec<Written>,
}
