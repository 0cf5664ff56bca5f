//! The change feed as its readers see it.

use super::{CollectionName, DocumentId};
use bson::{Document, RawDocumentBuf};

/// A place in the change feed of one database: after the change `index` of commit `commit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ChangePosition {
    /// Commit number.
    pub commit: u64,
    /// Position in that commit.
    pub index: u32,
}

/// What happened to a document, or to a collection. `before` is there where a rule that looks at documents
/// decided who may list them; other writes do not keep it.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeKind {
    /// Created.
    Added(RawDocumentBuf),
    /// Changed.
    Modified {
        /// As it was.
        before: Option<RawDocumentBuf>,
        /// As it is.
        after: RawDocumentBuf,
    },
    /// Removed.
    Removed {
        /// As it was.
        before: Option<RawDocumentBuf>,
    },
    /// The collection was removed with all its documents.
    Dropped,
    /// The rules of the collection were replaced: what an actor may see of it may be something else now.
    RulesReplaced,
}

/// One entry of the change feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its place.
    pub position: ChangePosition,
    /// Which collection.
    pub collection: CollectionName,
    /// The number of the collection, which a later one of the same name does not have; missing in entries
    /// of format 1.
    pub number: Option<u32>,
    /// Which document; none where the change is one of the whole collection.
    pub id: Option<DocumentId>,
    /// What happened.
    pub kind: ChangeKind,
}

/// Whether an actor may list the document of a change, by the rules as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// As it was before.
    pub before: bool,
    /// As it is now.
    pub after: bool,
}

/// What an actor may list of a collection, as far as that can be said without its documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// What it may list now.
    pub extent: Extent,
    /// Whether that can become something else though the documents of the collection stay as they are.
    pub varies: Varies,
}

/// How much of a collection an actor may list.
#[derive(Debug, Clone, PartialEq)]
pub enum Extent {
    /// Nothing.
    Nothing,
    /// Every document.
    Everything,
    /// The rule decides each document.
    Documents {
        /// What those that it allows pass; `None` where nothing is known.
        filter: Option<Document>,
    },
}

/// What else than the documents of a collection a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Varies {
    /// Nothing: as long as the rules stay, a document that is not changed is seen or not as before.
    No,
    /// Other documents of the database.
    WithDocuments,
    /// The time.
    WithTime,
}
