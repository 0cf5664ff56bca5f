//! Indexes in the catalog: shape and state of one, of a collection or of all that match a pattern.

use crate::engine::{CollectionName, CollectionPattern, FieldOrder, IndexInfo, IndexSpec, IndexState};
use crate::error::EngineError;
use crate::filter::{self, Filter};
use crate::layout::Id;
use crate::names;
use bson::{Document, RawDocument};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// An index and how far it is built.
#[derive(Clone)]
pub(crate) struct Index {
    pub(crate) shape: Arc<IndexShape>,
    pub(crate) state: BuildState,
}

/// What of an index never changes, and its counters.
pub(crate) struct IndexShape {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) fields: Vec<FieldOrder>,
    pub(crate) unique: bool,
    pub(crate) sparse: bool,
    pub(crate) partial: Option<Partial>,
    pub(crate) expire_after: Option<Duration>,
    /// Which collections it is over, where it is a group index.
    pub(crate) pattern: Option<CollectionPattern>,
    /// Whether any document ever had an array here. Set before the commit that brings one, so that a
    /// reader whose snapshot has the entries knows.
    pub(crate) multikey: AtomicBool,
    /// Documents indexed by the build.
    pub(crate) documents_done: AtomicU64,
    /// Entries put and removed since the start: how old statistics are.
    pub(crate) writes: AtomicU64,
}

/// The filter of a partial index, as it was given and parsed.
pub(crate) struct Partial {
    pub(crate) source: Document,
    pub(crate) filter: Filter,
}

/// How far an index is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BuildState {
    Building,
    Ready,
    Failed(String),
}

impl IndexShape {
    /// A checked specification under a number.
    pub(crate) fn new(
        id: Id,
        spec: IndexSpec,
        pattern: Option<CollectionPattern>,
    ) -> Result<Self, EngineError> {
        let partial = spec.partial.map(|source| {
            let filter = filter::parse(&source)?;
            Ok::<_, EngineError>(Partial { source, filter })
        });
        Ok(Self {
            id,
            name: spec.name.unwrap_or_else(|| names::index_name(&spec.fields)),
            fields: spec.fields,
            unique: spec.unique,
            sparse: spec.sparse,
            partial: partial.transpose()?,
            expire_after: spec.expire_after,
            pattern,
            multikey: AtomicBool::new(false),
            documents_done: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        })
    }

    /// Whether it is what a specification asks for, the name aside.
    pub(crate) fn is(&self, spec: &IndexSpec) -> bool {
        self.fields == spec.fields
            && self.unique == spec.unique
            && self.sparse == spec.sparse
            && self.partial.as_ref().map(|partial| bytes(&partial.source)) == spec.partial.as_ref().map(bytes)
            && self.expire_after == spec.expire_after
    }

    pub(crate) fn is_multikey(&self) -> bool {
        self.multikey.load(Ordering::Acquire)
    }

    /// Whether a document of this collection may have entries.
    pub(crate) fn is_over(&self, collection: &CollectionName) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(collection))
    }

    /// Whether the filter of a partial index lets the document in.
    pub(crate) fn lets_in(&self, document: &RawDocument) -> bool {
        self.partial.as_ref().is_none_or(|partial| partial.filter.matches(document))
    }
}

/// A filter as bytes: NaN in it would not be equal to itself.
fn bytes(filter: &Document) -> Option<Vec<u8>> {
    filter.to_vec().ok()
}

impl Index {
    /// A new index, not yet built.
    pub(crate) fn unbuilt(shape: IndexShape) -> Self {
        Self { shape: Arc::new(shape), state: BuildState::Building }
    }

    pub(crate) fn info(&self) -> IndexInfo {
        let shape = &self.shape;
        let state = match &self.state {
            BuildState::Building => {
                IndexState::Building { documents_done: shape.documents_done.load(Ordering::Relaxed) }
            }
            BuildState::Ready => IndexState::Ready,
            BuildState::Failed(reason) => IndexState::Failed { reason: reason.clone() },
        };
        IndexInfo {
            name: shape.name.clone(),
            fields: shape.fields.clone(),
            unique: shape.unique,
            sparse: shape.sparse,
            partial: shape.partial.as_ref().map(|partial| partial.source.clone()),
            expire_after: shape.expire_after,
            state,
        }
    }

    /// Whether writes keep it up to date.
    pub(crate) fn is_maintained(&self) -> bool {
        !matches!(self.state, BuildState::Failed(_))
    }
}
