//! What can go wrong in the engine, with a stable code for each.

pub use crate::limit::Limit;
pub use ::rules::Place;

fn at(place: Option<Place>) -> String {
    place.map_or_else(String::new, |place| format!(", {place}"))
}

/// An error of the document engine. The text is fit for the caller of the API; causes are `#[source]`.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A name, id or path breaks a rule.
    #[error("{0}")]
    InvalidName(String),
    /// The document is malformed, too large or too deep.
    #[error("{0}")]
    InvalidDocument(String),
    /// The query, sort, cursor or field list is malformed.
    #[error("{0}")]
    InvalidQuery(String),
    /// The update is malformed or does not fit the document.
    #[error("{0}")]
    InvalidUpdate(String),
    /// The index specification is malformed.
    #[error("{0}")]
    InvalidIndex(String),
    /// A rule does not parse or costs too much.
    #[error("rule `{operation}`{}: {reason}", at(*place))]
    InvalidRule {
        /// Which of the rules.
        operation: &'static str,
        /// What is wrong with it.
        reason: String,
        /// Where, unless the whole rule is meant.
        place: Option<Place>,
    },
    /// No such collection.
    #[error("there is no collection `{0}`")]
    CollectionNotFound(String),
    /// The collection is there already.
    #[error("collection `{0}` exists already")]
    CollectionExists(String),
    /// No such document.
    #[error("there is no document `{id}` in `{collection}`")]
    DocumentNotFound {
        /// Collection.
        collection: String,
        /// Document.
        id: String,
    },
    /// The `_id` is taken.
    #[error("document `{id}` exists already in `{collection}`")]
    DocumentExists {
        /// Collection.
        collection: String,
        /// Document.
        id: String,
    },
    /// Another document has this key in a unique index.
    #[error("another document has the same key in the unique index `{index}`")]
    UniqueViolation {
        /// Index.
        index: String,
    },
    /// `if_version` or `if_absent` does not hold.
    #[error("document `{id}` is not in the state that the request asked for")]
    PreconditionFailed {
        /// Document.
        id: String,
    },
    /// No such index.
    #[error("there is no index `{0}`")]
    IndexNotFound(String),
    /// An index of that name with another shape is there.
    #[error("index `{0}` exists already with another shape")]
    IndexExists(String),
    /// The rules do not allow it.
    #[error("the rules of `{collection}` do not allow this")]
    Denied {
        /// Collection.
        collection: String,
    },
    /// A limit of the engine was reached.
    #[error("{message}")]
    LimitExceeded {
        /// Which.
        limit: Limit,
        /// What to do.
        message: String,
    },
    /// A query examined more documents, took longer or holds more than allowed.
    #[error("{message}")]
    QueryTooExpensive {
        /// By which limit.
        limit: Limit,
        /// What to do.
        message: String,
    },
    /// Somebody else changed what the transaction read.
    #[error("others changed what the transaction read; nothing was written, try the whole transaction again")]
    TransactionConflict,
    /// The transaction is older than the engine keeps history for.
    #[error("the transaction took too long; nothing was written, try the whole transaction again")]
    TransactionExpired,
    /// The write queue is full.
    #[error("the document store is busy, try again")]
    Busy,
    /// The change feed no longer reaches back to the position.
    #[error("the change feed no longer reaches back to this position")]
    FeedTrimmed,
    /// One operation of a batch failed; nothing of the batch was written.
    #[error("operation {index} of the batch: {source}")]
    BatchOperation {
        /// Position in the batch.
        index: usize,
        /// What failed.
        #[source]
        source: Box<EngineError>,
    },
    /// The disk is full: writes are refused, reads go on.
    #[error("the disk is full: free space, writes are taken again by themselves")]
    DiskFull,
    /// The store stopped taking writes after a failed fsync; a restart is needed.
    #[error("the document store stopped taking writes after a disk error; restart the server")]
    WritesStopped,
    /// Another process has the directory open.
    #[error("{path} is in use by another process")]
    Locked {
        /// Directory.
        path: String,
    },
    /// The directory was written by a newer version.
    #[error("{path} has format {found}, this program knows up to {known}: use a newer bunbase")]
    NewerFormat {
        /// Directory.
        path: String,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The directory was written by a version before the first release, which has no way here.
    #[error(
        "{path} has format {found} of a version before the first release, this program reads {oldest} and \
         later: begin with an empty directory, or copy the documents over with the version that wrote it"
    )]
    OlderFormat {
        /// Directory.
        path: String,
        /// Its format.
        found: u32,
        /// The oldest that is read.
        oldest: u32,
    },
    /// Stored bytes are damaged; names the file and the way out.
    #[error("{0}")]
    Damaged(String),
    /// Any other failure of the storage.
    #[error("document storage failed")]
    Storage(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine is shut down.
    #[error("the document store is shut down")]
    Closed,
}

impl EngineError {
    pub(crate) fn limit(limit: Limit, message: impl Into<String>) -> Self {
        Self::LimitExceeded { limit, message: message.into() }
    }
}
