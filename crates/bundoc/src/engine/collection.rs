//! Collections and what belongs to them: indexes and rules.

use super::{CollectionName, CollectionPattern, FieldOrder, RuleAuth};
use bson::{Document, RawDocumentBuf};
use std::time::Duration;

/// The shape of an index.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IndexSpec {
    /// Name, unique in the collection; made of the fields where none is given (`country_1_name_1`).
    pub name: Option<String>,
    /// 1 to 8 fields.
    pub fields: Vec<FieldOrder>,
    /// Whether two documents may share a key.
    pub unique: bool,
    /// Whether documents without any of the fields have no entry.
    pub sparse: bool,
    /// Only documents that this filter matches have entries.
    pub partial: Option<Document>,
    /// Documents are removed this long after the date in the (only) field.
    pub expire_after: Option<Duration>,
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
#[derive(Debug, Clone, PartialEq)]
pub struct IndexInfo {
    /// Name.
    pub name: String,
    /// Fields.
    pub fields: Vec<FieldOrder>,
    /// Uniqueness.
    pub unique: bool,
    /// Whether documents without any of the fields have no entry.
    pub sparse: bool,
    /// Which documents have entries; `None` for all.
    pub partial: Option<Document>,
    /// How long after the date in the field documents are removed.
    pub expire_after: Option<Duration>,
    /// State.
    pub state: IndexState,
}

/// An index over all collections, present and future, whose name matches a pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupIndexInfo {
    /// The pattern, in which `*` stands for one whole segment: `users/*/posts`.
    pub pattern: CollectionPattern,
    /// The index.
    pub index: IndexInfo,
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
#[derive(Debug, Clone, PartialEq)]
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

/// A question about rules that nothing is done about: may this actor do this?
#[derive(Debug, Clone)]
pub struct RuleProbe {
    /// Rules that are tried in the place of those of the collection.
    pub rules: Option<RuleSet>,
    /// One of `read`, `list`, `create`, `update`, `delete`.
    pub operation: RuleOperation,
    /// Who asks; `uid: None` is nobody.
    pub auth: RuleAuth,
    /// The document as it is.
    pub resource: Option<RawDocumentBuf>,
    /// The document as it would be.
    pub request_resource: Option<RawDocumentBuf>,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleOperation {
    /// Get one document.
    Read,
    /// Lists and queries.
    List,
    /// New documents.
    Create,
    /// Changes.
    Update,
    /// Removal.
    Delete,
}

/// The answer to a `RuleProbe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVerdict {
    /// Whether it may.
    pub allowed: bool,
    /// The name of the rule that decided (`list`, or `read` where `list` is missing); `None` where there is
    /// no rule, which denies.
    pub rule: Option<&'static str>,
    /// Its text.
    pub expression: Option<String>,
    /// Why the rule denies, where it did not simply say false: an error in it, or no boolean.
    pub reason: Option<String>,
}
