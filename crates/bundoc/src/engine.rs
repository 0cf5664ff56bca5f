//! The contract of the document engine: what a store of documents can be asked, and the plain types
//! that cross. Owns no state. `FjallEngine` is the first implementation; one conformance suite runs on
//! every one.
//!
//! What must hold: a write is answered only after its commit is durable; every commit is all or
//! nothing; commits are numbered without gaps or repeats; reads never wait for writes.

mod change;

pub use change::{Change, ChangeKind, ChangePosition, Sight};

use crate::error::EngineError;
use bson::{Document, RawDocumentBuf};
use std::sync::Arc;

/// The name of one database: a project. 1 to 128 bytes of `[A-Za-z0-9_-]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseName(Arc<str>);

/// The name of a collection: 1 to 255 bytes, segments separated by `/` (nested collections such as
/// `users/123/posts`), no empty segment, no `.` or `..` segment, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionName(Arc<str>);

/// The `_id` of a document: a string of 1 to 512 bytes without NUL, `/` or other control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(Arc<str>);

macro_rules! name_type {
    ($type:ident, $check:path) => {
        impl $type {
            /// Takes `text` if it is a valid name.
            ///
            /// # Errors
            /// `EngineError::InvalidName` says which rule is broken.
            pub fn parse(text: &str) -> Result<Self, EngineError> {
                $check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(DatabaseName, crate::names::check_database);
name_type!(CollectionName, crate::names::check_collection);
name_type!(DocumentId, crate::names::check_document_id);

/// On whose behalf an operation runs.
#[derive(Debug, Clone)]
pub enum Actor {
    /// A developer, a secret key or the product itself: rules do not apply.
    Trusted,
    /// A public key, perhaps with a signed-in end user: rules decide, and without rules nothing is allowed.
    Ruled(Arc<RuleAuth>),
}

/// What a rule sees as `request.auth`; `None` in `uid` makes `request.auth` null.
#[derive(Debug, Clone, Default)]
pub struct RuleAuth {
    /// The end user's id.
    pub uid: Option<String>,
    /// Claims of the end user's token.
    pub claims: Document,
}

/// A document as it is stored.
#[derive(Debug, Clone)]
pub struct StoredDocument {
    /// The whole document, `_id` first.
    pub document: RawDocumentBuf,
    /// The number of the commit that wrote it last: what `if_version` compares with.
    pub version: u64,
}

/// Sort direction of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest first (`1`).
    Ascending,
    /// Largest first (`-1`).
    Descending,
}

/// One field of an index or a sort: a dot path and its direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldOrder {
    /// Dot path.
    pub path: String,
    /// Direction.
    pub order: Order,
}

/// What a query asks for. The filter is in the query language (`$eq`, `$gt`, `$and`, …).
#[derive(Debug, Clone, Default)]
pub struct FindRequest {
    /// Filter; empty matches all.
    pub filter: Document,
    /// Sort keys; without any the order is that of `_id`. `_id` is always the last tie breaker, in the
    /// direction of the last sort key.
    pub sort: Vec<FieldOrder>,
    /// Documents at the most in this page; 1 to the engine's `limit_max`.
    pub limit: usize,
    /// Matching documents to pass over first; a cursor stands behind them already, so it counts without
    /// one only.
    pub skip: usize,
    /// Opaque token of an earlier page of the same query.
    pub cursor: Option<String>,
    /// Top-level fields or dot paths to keep; `_id` is always kept. Empty keeps all.
    pub fields: Vec<String>,
}

/// One page of results.
#[derive(Debug, Clone)]
pub struct Page {
    /// The documents, in order.
    pub documents: Vec<StoredDocument>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<String>,
    /// How many documents (or index entries) were examined.
    pub examined: u64,
    /// The index that served the query; `None` when documents were scanned in `_id` order.
    pub index: Option<String>,
}

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
        /// Either operators (`$set`, `$unset`, `$inc`) or plain fields, which mean `$set` with dot paths.
        update: Document,
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
}

impl WriteOp {
    /// Where it writes.
    pub fn collection(&self) -> &CollectionName {
        match self {
            Self::Insert { collection, .. }
            | Self::Replace { collection, .. }
            | Self::Update { collection, .. }
            | Self::Delete { collection, .. } => collection,
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
}

/// The answer to a batch: durable when it is returned.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The commit number.
    pub number: u64,
    /// One entry for each write, in order.
    pub written: Vec<Written>,
}

/// The shape of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSpec {
    /// Name, unique in the collection; made of the fields where none is given (`country_1_name_1`).
    pub name: Option<String>,
    /// 1 to 8 fields.
    pub fields: Vec<FieldOrder>,
    /// Whether two documents may share a key.
    pub unique: bool,
}

/// How far an index is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexState {
    /// Being built in the background: documents indexed so far. Not used by queries yet.
    Building {
        /// Documents indexed so far.
        documents_done: u64,
    },
    /// In use.
    Ready,
    /// Could not be built (a unique index over duplicates); says why. Drop it to try again.
    Failed {
        /// Why.
        reason: String,
    },
}

/// An index and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexInfo {
    /// Name.
    pub name: String,
    /// Fields.
    pub fields: Vec<FieldOrder>,
    /// Uniqueness.
    pub unique: bool,
    /// State.
    pub state: IndexState,
}

/// The rules of a collection: CEL expressions; `None` falls back (`list` to `read`; `create`, `update`
/// and `delete` to `write`), and where that is `None` too, the operation is denied to ruled actors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSet {
    /// Get one document.
    pub read: Option<String>,
    /// Lists and queries.
    pub list: Option<String>,
    /// New documents.
    pub create: Option<String>,
    /// Changes.
    pub update: Option<String>,
    /// Removal.
    pub delete: Option<String>,
    /// Fallback of the three above.
    pub write: Option<String>,
}

/// A collection and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionInfo {
    /// Name.
    pub name: CollectionName,
    /// Documents in it.
    pub documents: u64,
    /// Its rules.
    pub rules: RuleSet,
    /// Its indexes.
    pub indexes: Vec<IndexInfo>,
}

/// Size and work of the engine, for metrics.
#[derive(Debug, Clone, Copy, Default)]
pub struct EngineStats {
    /// Bytes on disk.
    pub disk_bytes: u64,
    /// The last durable commit.
    pub last_commit: u64,
    /// Writes that wait for the committer.
    pub queued_writes: u64,
    /// Whether a disk error ended writing until the next start.
    pub writes_stopped: bool,
}

/// A store of documents.
#[async_trait::async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The collections of a database whose name begins with `prefix`, in name order.
    fn collections(&self, database: &DatabaseName, prefix: &str) -> Result<Vec<CollectionInfo>, EngineError>;

    /// One collection.
    fn collection(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
    ) -> Result<Option<CollectionInfo>, EngineError>;

    /// Creates an empty collection with rules; `EngineError::CollectionExists` where it is there.
    /// Writes by a trusted actor create a missing collection on their own, closed by default.
    async fn create_collection(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        rules: RuleSet,
    ) -> Result<CollectionInfo, EngineError>;

    /// Removes a collection with its documents, indexes and rules.
    async fn drop_collection(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
    ) -> Result<(), EngineError>;

    /// Replaces the rules; they hold for every operation that begins after this returns.
    async fn set_rules(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        rules: RuleSet,
    ) -> Result<CollectionInfo, EngineError>;

    /// Declares an index and returns at once; it is built in the background and resumed after a crash.
    async fn create_index(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        index: IndexSpec,
    ) -> Result<IndexInfo, EngineError>;

    /// Drops an index.
    async fn drop_index(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        name: &str,
    ) -> Result<(), EngineError>;

    /// One document, or `None` where it is missing or the actor may not read it.
    fn get(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        id: &DocumentId,
        actor: &Actor,
    ) -> Result<Option<StoredDocument>, EngineError>;

    /// One page of a query, from one snapshot. Blocking: may take as long as the engine's time limit.
    fn find(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        request: &FindRequest,
        actor: &Actor,
    ) -> Result<Page, EngineError>;

    /// Commits all writes or none, durable on return. Rules and preconditions are evaluated against the
    /// state that the commit is applied to.
    async fn write(
        &self,
        database: &DatabaseName,
        operations: Vec<WriteOp>,
        actor: &Actor,
    ) -> Result<Commit, EngineError>;

    /// Up to `limit` changes after `after`, in order.
    ///
    /// # Errors
    /// `EngineError::FeedTrimmed` where the feed no longer reaches back that far.
    fn changes(
        &self,
        database: &DatabaseName,
        after: ChangePosition,
        limit: usize,
    ) -> Result<Vec<Change>, EngineError>;

    /// What an actor may see of a change.
    fn sight(&self, database: &DatabaseName, change: &Change, actor: &Actor) -> Sight;

    /// Whether the actor may list documents of the collection, or some of them.
    fn may_list(&self, database: &DatabaseName, collection: &CollectionName, actor: &Actor) -> bool;

    /// Tells positions of this database from those of another store, of one that lost commits, and of a
    /// database of the same name that was purged: lower-case hexadecimal digits.
    fn epoch(&self, database: &DatabaseName) -> String;

    /// The number of the last durable commit, and a wake-up for each later one.
    fn commits(&self) -> tokio::sync::watch::Receiver<u64>;

    /// A wake-up for each later commit that changes this database, which need not exist yet.
    fn watch(&self, database: &DatabaseName) -> tokio::sync::watch::Receiver<u64>;

    /// Removes everything of a database; a second call does nothing.
    async fn purge(&self, database: &DatabaseName) -> Result<(), EngineError>;

    /// Size and work so far.
    fn stats(&self) -> EngineStats;

    /// Flushes and stops; no call succeeds afterwards.
    async fn shutdown(&self);
}
