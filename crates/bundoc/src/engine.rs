//! The contract of the document engine: what a store of documents can be asked, and the plain types
//! that cross. Owns no state. `FjallEngine` is the first implementation; one conformance suite runs on
//! every one.
//!
//! What must hold: a write is answered only after its commit is durable; every commit is all or
//! nothing; commits are numbered without gaps or repeats; reads never wait for writes.

mod change;
mod collection;
mod outbox;
mod query;
mod transaction;
mod write;

pub use change::{Change, ChangeKind, ChangePosition, Extent, Listing, Sight, Varies};
pub use collection::{
    CollectionInfo, GroupIndexInfo, IndexInfo, IndexSpec, IndexState, RuleOperation, RuleProbe, RuleSet,
    RuleVerdict,
};
pub use outbox::{Outbox, OutboxEntry, Outgoing};
pub use query::{Explanation, FieldOrder, FindRequest, GroupDocument, GroupPage, Order, Page, PlanSummary};
pub use transaction::Transaction;
pub use write::{Commit, FindAndModify, Modification, Precondition, Returning, UpdateSpec, WriteOp, Written};

use crate::error::EngineError;
use bson::{Bson, Document, RawDocumentBuf};
use std::sync::Arc;

/// The name of one database: a project. 1 to 128 bytes of `[A-Za-z0-9_-]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseName(Arc<str>);

/// The name of a collection: 1 to 255 bytes, segments separated by `/` (nested collections such as
/// `users/123/posts`), no empty segment, no `.` or `..` segment, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionName(Arc<str>);

/// Names of collections: like a `CollectionName`, in which `*` stands for one whole segment
/// (`users/*/posts`); at least one segment is `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CollectionPattern(Arc<str>);

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
name_type!(CollectionPattern, crate::names::check_pattern);
name_type!(DocumentId, crate::names::check_document_id);

impl CollectionPattern {
    /// Whether a collection is one of those meant.
    pub fn matches(&self, collection: &CollectionName) -> bool {
        let mut names = collection.as_str().split('/');
        let alike =
            self.as_str().split('/').all(|part| names.next().is_some_and(|name| part == "*" || part == name));
        alike && names.next().is_none()
    }

    /// What the names of all that are meant begin with.
    pub(crate) fn literal_prefix(&self) -> &str {
        self.as_str().split_once('*').map_or(self.as_str(), |(prefix, _)| prefix)
    }
}

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
    /// Interactive transactions that are open.
    pub transactions_open: u64,
    /// Transactions refused because others changed what they read.
    pub transaction_conflicts: u64,
    /// Bytes of past commits that are kept in memory for open transactions.
    pub history_bytes: u64,
}

/// What is in one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatabaseStats {
    /// Bytes of documents and index entries, keys included and before compression. What was dropped counts
    /// until it is removed in the background.
    pub bytes: u64,
    /// Collections.
    pub collections: u64,
    /// Documents of all collections.
    pub documents: u64,
    /// Indexes of all collections.
    pub indexes: u64,
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

    /// The same on a thread that must not block: `None`, without having done much, where the page needs more
    /// than a glance at a few documents.
    fn find_at_once(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        request: &FindRequest,
        actor: &Actor,
    ) -> Result<Option<Page>, EngineError>;

    /// One page of a query over all collections that match a pattern; a ruled actor sees what the rules of
    /// each collection let it list.
    fn find_group(
        &self,
        database: &DatabaseName,
        pattern: &CollectionPattern,
        request: &FindRequest,
        actor: &Actor,
    ) -> Result<GroupPage, EngineError>;

    /// How many documents match and may be listed.
    fn count(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        filter: &Document,
        actor: &Actor,
    ) -> Result<u64, EngineError>;

    /// The different values of a field (each element of an array by itself) in documents that match and may
    /// be listed, in BSON order.
    fn distinct(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        field: &str,
        filter: &Document,
        actor: &Actor,
    ) -> Result<Vec<Bson>, EngineError>;

    /// Runs the first page of a query and says how. Not for ruled actors.
    fn explain(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        request: &FindRequest,
    ) -> Result<Explanation, EngineError>;

    /// Begins an interactive transaction.
    fn begin(&self, database: &DatabaseName, actor: &Actor) -> Result<Box<dyn Transaction>, EngineError>;

    /// Asks the rules of a collection without doing anything.
    fn try_rule(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        probe: &RuleProbe,
    ) -> Result<RuleVerdict, EngineError>;

    /// The group indexes of a database.
    fn group_indexes(&self, database: &DatabaseName) -> Result<Vec<GroupIndexInfo>, EngineError>;

    /// Declares an index over all collections, present and future, that match a pattern.
    async fn create_group_index(
        &self,
        database: &DatabaseName,
        pattern: &CollectionPattern,
        index: IndexSpec,
    ) -> Result<GroupIndexInfo, EngineError>;

    /// Drops a group index.
    async fn drop_group_index(
        &self,
        database: &DatabaseName,
        pattern: &CollectionPattern,
        name: &str,
    ) -> Result<(), EngineError>;

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

    /// Up to `limit` entries of the outbox after `after`, in order: what batches and transactions noted with
    /// `WriteOp::Emit` or `WriteOp::Enqueue`. They stay until they are settled, however old they grow.
    fn outbox(
        &self,
        database: &DatabaseName,
        outbox: Outbox,
        after: ChangePosition,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, EngineError>;

    /// Removes the entries up to and including `upto`, which were handed on. Durable on return; one that
    /// was handed on and not settled before a crash comes again.
    async fn settle_outbox(
        &self,
        database: &DatabaseName,
        outbox: Outbox,
        upto: ChangePosition,
    ) -> Result<(), EngineError>;

    /// The databases that have entries in an outbox.
    fn outboxes_waiting(&self, outbox: Outbox) -> Vec<DatabaseName>;

    /// A wake-up for each later commit that put something into an outbox of any database.
    fn watch_outboxes(&self) -> tokio::sync::watch::Receiver<u64>;

    /// What an actor may see of a change.
    fn sight(&self, database: &DatabaseName, change: &Change, actor: &Actor) -> Sight;

    /// Whether the actor may list documents of the collection, or some of them.
    fn may_list(&self, database: &DatabaseName, collection: &CollectionName, actor: &Actor) -> bool;

    /// What the actor may list of the collection.
    fn listing(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
        actor: &Actor,
    ) -> Result<Listing, EngineError>;

    /// Tells positions of this database from those of another store, of one that lost commits, and of a
    /// database of the same name that was purged: lower-case hexadecimal digits.
    fn epoch(&self, database: &DatabaseName) -> String;

    /// The number of the last durable commit, and a wake-up for each later one.
    fn commits(&self) -> tokio::sync::watch::Receiver<u64>;

    /// A wake-up for each later commit that changes this database, which need not exist yet.
    fn watch(&self, database: &DatabaseName) -> tokio::sync::watch::Receiver<u64>;

    /// Removes everything of a database; a second call does nothing.
    async fn purge(&self, database: &DatabaseName) -> Result<(), EngineError>;

    /// What is in a database; nothing where there is none.
    fn database_stats(&self, database: &DatabaseName) -> Result<DatabaseStats, EngineError>;

    /// Size and work so far.
    fn stats(&self) -> EngineStats;

    /// Flushes and stops; no call succeeds afterwards.
    async fn shutdown(&self);
}
