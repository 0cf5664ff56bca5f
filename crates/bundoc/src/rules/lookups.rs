//! Look-ups of rules: `get(path)` and `exists(path)` read other documents of the same database, in the state
//! that the operation itself reads or is applied to, and whatever their own rules say. What services keep
//! in `_system/` is not there for them.

use super::value;
use crate::document;
use crate::engine::{CollectionName, DocumentId};
use crate::error::EngineError;
use ::rules::Budget;
use cel::ExecutionError;
use cel::common::traits::{Container, Indexer};
use cel::common::types::{CelString, Type};
use cel::common::value::{CowVal, Val};
use fjall::Slice;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Collections of services.
const SYSTEM: &str = "_system/";
/// Documents that are remembered at once.
const REMEMBERED_MAX: usize = 1_000;
/// Bytes of them.
const REMEMBERED_BYTES_MAX: usize = 4 * 1024 * 1024;

static DOCUMENTS_TYPE: Type = Type::new_unspecified_type("documents");

/// Where look-ups read: a snapshot, a group of writes, a transaction.
pub(crate) trait Lookup: Sync {
    /// The stored bytes of a document, `None` where it or its collection is missing.
    fn document(&self, collection: &CollectionName, id: &DocumentId) -> Result<Option<Slice>, EngineError>;

    /// What time it is for the rules, in milliseconds since 1970.
    fn time_ms(&self) -> i64 {
        bson::DateTime::now().timestamp_millis()
    }
}

/// What the rules of one operation look at beside its documents: the time, and documents that are looked
/// up, each read once. Not to be kept over a write.
pub(crate) struct Lookups<'a> {
    lookup: &'a dyn Lookup,
    time_ms: i64,
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    documents: HashMap<String, Looked>,
    bytes: usize,
    /// What kept a look-up from being answered.
    failure: Option<EngineError>,
}

/// A document that was looked up; missing ones too.
#[derive(Clone)]
struct Looked {
    document: Option<Box<dyn Val>>,
    bytes: usize,
}

impl<'a> Lookups<'a> {
    /// Nothing looked up yet.
    pub(crate) fn new(lookup: &'a dyn Lookup) -> Self {
        Self { lookup, time_ms: lookup.time_ms(), remembered: Mutex::default() }
    }

    /// `request.time`, in milliseconds since 1970.
    pub(super) fn time_ms(&self) -> i64 {
        self.time_ms
    }

    /// Takes what kept a look-up from being answered.
    pub(super) fn failure(&self) -> Option<EngineError> {
        self.remembered().failure.take()
    }

    fn look(&self, path: &str, budget: &Budget) -> Result<Looked, ExecutionError> {
        let refused = |reason: String| ExecutionError::function_error("get", reason);
        if let Some(known) = self.remembered().documents.get(path).cloned() {
            budget.take(known.bytes).map_err(refused)?;
            return Ok(known);
        }
        let (collection, id) = parse(path)
            .ok_or_else(|| refused(format!("`{}` is no path of a document", path.escape_debug())))?;
        let before = budget.taken();
        let document = match self.read(&collection, &id)? {
            Some(stored) => {
                let (_, document) = document::split(&stored).map_err(|error| self.fail(error))?;
                Some(value::document(document, budget).map_err(refused)?)
            }
            None => None,
        };
        let looked = Looked { document, bytes: budget.taken() - before };
        self.remembered().add(path, looked.clone());
        Ok(looked)
    }

    fn read(&self, collection: &CollectionName, id: &DocumentId) -> Result<Option<Slice>, ExecutionError> {
        if collection.as_str().starts_with(SYSTEM) {
            return Ok(None);
        }
        self.lookup.document(collection, id).map_err(|error| self.fail(error))
    }

    /// Keeps the error for the operation, and ends the evaluation.
    fn fail(&self, error: EngineError) -> ExecutionError {
        self.remembered().failure = Some(error);
        ExecutionError::function_error("get", "the document could not be read")
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn add(&mut self, path: &str, looked: Looked) {
        if self.documents.len() >= REMEMBERED_MAX || self.bytes > REMEMBERED_BYTES_MAX {
            self.documents.clear();
            self.bytes = 0;
        }
        self.bytes += looked.bytes + path.len();
        self.documents.insert(path.to_owned(), looked);
    }
}

/// The collection and the id: `users/ann`, with or without `/` before it.
fn parse(path: &str) -> Option<(CollectionName, DocumentId)> {
    let (collection, id) = path.strip_prefix('/').unwrap_or(path).rsplit_once('/')?;
    Some((CollectionName::parse(collection).ok()?, DocumentId::parse(id).ok()?))
}

/// `@documents`: indexed with a path by `get`, asked for one by `exists`.
pub(super) struct AllDocuments<'v> {
    pub(super) lookups: &'v Lookups<'v>,
    pub(super) budget: Budget,
}

impl AllDocuments<'_> {
    fn look(&self, path: &dyn Val) -> Result<Looked, ExecutionError> {
        let text = path.downcast_ref::<CelString<'_>>().map(CelString::inner);
        let text = text.ok_or_else(|| ExecutionError::function_error("get", "a path is a text"))?;
        self.lookups.look(text, &self.budget)
    }
}

impl fmt::Debug for AllDocuments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("documents")
    }
}

impl Val for AllDocuments<'_> {
    fn get_type(&self) -> &Type {
        &DOCUMENTS_TYPE
    }

    fn cel_type() -> &'static Type {
        &DOCUMENTS_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(AllDocuments { lookups: self.lookups, budget: self.budget.clone() })
    }
}

impl Container for AllDocuments<'_> {
    fn contains(&self, path: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.look(path)?.document.is_some())
    }
}

impl Indexer for AllDocuments<'_> {
    fn get<'b, 'w>(&'b self, path: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let looked = self.look(path)?;
        Ok(CowVal::Owned(looked.document.unwrap_or_else(value::null)))
    }

    fn steal<'w>(self: Box<Self>, path: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        Ok(self.look(path)?.document.unwrap_or_else(value::null))
    }
}
