//! One case: documents, an operation, what it has to answer. The shape is described in `README.md`.

use crate::json::Json;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A case as it is run.
#[derive(Debug)]
pub struct Case {
    /// `area/file: name`.
    pub name: String,
    /// The operators that it is about.
    pub operators: Vec<String>,
    /// The collection at the beginning.
    pub documents: Vec<Box<RawValue>>,
    /// Indexes that must not change the answer.
    pub indexes: Vec<Box<RawValue>>,
    /// What is asked.
    pub operation: Operation,
    /// What has to come.
    pub expectation: Expectation,
    /// The collection afterwards.
    pub after: Option<Json>,
}

impl Case {
    /// The first part of its name.
    pub fn area(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// What a case expects.
#[derive(Debug)]
pub enum Expectation {
    /// The `_id`s of the documents found, in order.
    Ids(Vec<String>),
    /// The whole answer.
    Result(Json),
    /// The code of an error.
    Error(String),
}

/// What is asked of the collection. Raw values are Extended JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A query.
    Find(Find),
    /// How many documents match.
    Count(Count),
    /// The different values of a field.
    Distinct(Distinct),
    /// Changes what matches.
    Update(Update),
    /// Removes what matches.
    Delete(Delete),
    /// Changes one document and gives it back.
    FindAndModify(FindAndModify),
}

/// `find`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// Filter.
    pub query: Option<Box<RawValue>>,
    /// Object of paths with 1 or -1.
    pub sort: Option<Box<RawValue>>,
    /// Documents to pass over.
    pub skip: Option<usize>,
    /// Documents at the most.
    pub limit: Option<usize>,
    /// Projection.
    pub fields: Option<Box<RawValue>>,
}

/// `count`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Filter.
    pub query: Option<Box<RawValue>>,
}

/// `distinct`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distinct {
    /// Dot path.
    pub field: String,
    /// Filter.
    pub query: Option<Box<RawValue>>,
}

/// `update`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// Filter.
    pub query: Option<Box<RawValue>>,
    /// Operators or fields.
    pub update: Box<RawValue>,
    /// Whether all that match are changed.
    #[serde(default)]
    pub many: bool,
    /// Whether a document is made where none matches.
    #[serde(default)]
    pub upsert: bool,
    /// List of filters for `$[name]`.
    pub array_filters: Option<Box<RawValue>>,
}

/// `delete`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delete {
    /// Filter.
    pub query: Option<Box<RawValue>>,
    /// Whether all that match are removed.
    #[serde(default)]
    pub many: bool,
}

/// `find_and_modify`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindAndModify {
    /// Filter.
    pub query: Option<Box<RawValue>>,
    /// Object of paths with 1 or -1.
    pub sort: Option<Box<RawValue>>,
    /// Operators or fields.
    pub update: Option<Box<RawValue>>,
    /// A whole document.
    pub replacement: Option<Box<RawValue>>,
    /// Whether the document is removed.
    #[serde(default)]
    pub remove: bool,
    /// Whether a document is made where none matches.
    #[serde(default)]
    pub upsert: bool,
    /// Projection of the answer.
    pub fields: Option<Box<RawValue>>,
    /// `before` or `after`.
    pub r#return: Option<String>,
    /// List of filters for `$[name]`.
    pub array_filters: Option<Box<RawValue>>,
}
