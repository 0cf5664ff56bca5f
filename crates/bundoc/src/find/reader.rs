//! What every query has while it runs: its snapshot, what it may see, and how much it has looked at.

use crate::catalog::{Collection, Database};
use crate::document;
use crate::engine::Actor;
use crate::error::{EngineError, Limit};
use crate::layout::{Id, Space, pair};
use crate::options::EngineOptions;
use crate::plan;
use crate::query::Query;
use crate::rules::{Documents, Lookup, Lookups, Method};
use crate::store::View;
use bson::RawDocument;
use fjall::Slice;
use std::time::{Duration, Instant};

/// Entries between two looks at the clock.
const CLOCK_EVERY: u64 = 64;

/// How much one query may look at.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    examined_max: u64,
    bytes_max: u64,
    time_max: Duration,
    clock_every: u64,
}

/// Those of a query that is answered on a thread that others wait for: about what twenty documents of an
/// index cost, several times over.
const AT_ONCE: Bounds =
    Bounds { examined_max: 128, bytes_max: 256 << 10, time_max: Duration::from_micros(500), clock_every: 8 };

impl Bounds {
    fn of(options: &EngineOptions) -> Self {
        Self {
            examined_max: options.find_examined_max,
            bytes_max: u64::MAX,
            time_max: options.find_time_max,
            clock_every: CLOCK_EVERY,
        }
    }
}

/// One query while it runs.
pub(crate) struct Reader<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) database: &'a Database,
    pub(super) query: &'a Query,
    pub(super) actor: &'a Actor,
    pub(super) options: &'a EngineOptions,
    pub(super) lookups: Lookups<'a>,
    bounds: Bounds,
    /// Bytes that were read.
    pub(super) bytes: u64,
    /// Entries of indexes or documents that were looked at.
    examined: u64,
    pub(super) keys: u64,
    pub(super) documents: u64,
    begun: Instant,
    key: Vec<u8>,
}

/// What a query reads from, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) view: &'a View<'a>,
    pub(super) database: &'a Database,
    pub(super) actor: &'a Actor,
    pub(super) options: &'a EngineOptions,
    /// Where rules look other documents up.
    pub(super) lookup: &'a dyn Lookup,
}

impl<'a> Reader<'a> {
    pub(super) fn new(scope: Scope<'a>, query: &'a Query) -> Self {
        let Scope { view, database, actor, options, lookup } = scope;
        Self {
            view,
            database,
            query,
            actor,
            options,
            lookups: Lookups::new(lookup),
            bounds: Bounds::of(options),
            bytes: 0,
            examined: 0,
            keys: 0,
            documents: 0,
            begun: Instant::now(),
            key: Vec::new(),
        }
    }

    /// The same with the narrow bounds of a query that must not take long.
    pub(super) fn at_once(self) -> Self {
        Self { bounds: AT_ONCE, ..self }
    }

    pub(super) fn examined(&self) -> u64 {
        self.examined
    }

    /// Counts one entry, and ends the query where it has looked at too many.
    pub(super) fn spend(&mut self) -> Result<(), EngineError> {
        self.examined += 1;
        if self.examined > self.bounds.examined_max || self.bytes > self.bounds.bytes_max {
            return Err(self.too_expensive(Limit::FindExamined));
        }
        let clock = self.examined.is_multiple_of(self.bounds.clock_every);
        if clock && self.begun.elapsed() > self.bounds.time_max {
            return Err(self.too_expensive(Limit::FindTime));
        }
        Ok(())
    }

    pub(super) fn too_expensive(&self, limit: Limit) -> EngineError {
        let fields = plan::suggestion(self.query);
        let way_out = if fields.is_empty() {
            "ask for less".to_owned()
        } else {
            format!("create an index with the fields [{fields}], or ask for less")
        };
        let message = format!(
            "the query examined {} documents in {} ms, which is more than allowed; {way_out}",
            self.examined,
            self.begun.elapsed().as_millis()
        );
        EngineError::QueryTooExpensive { limit, message }
    }

    /// The stored bytes of a document.
    pub(super) fn fetch(&mut self, collection: Id, id: &[u8]) -> Result<Option<Slice>, EngineError> {
        self.key.clear();
        self.key.extend_from_slice(&pair(self.database.id, collection));
        self.key.extend_from_slice(id);
        let stored = self.view.get(Space::Documents, &self.key)?;
        self.bytes += stored.as_ref().map_or(0, |stored| stored.len() as u64);
        Ok(stored)
    }

    /// Whether a document is one of those asked for, and the actor may list it.
    pub(super) fn passes(&self, collection: &Collection, stored: &[u8]) -> Result<bool, EngineError> {
        let (_, document) = document::split(stored)?;
        Ok(self.query.filter.matches(document) && self.allows(collection, document)?)
    }

    fn allows(&self, collection: &Collection, document: &RawDocument) -> Result<bool, EngineError> {
        let documents = Documents { present: Some(document), new: None };
        collection.rules.allow(self.actor, Method::List, documents, &self.lookups)
    }
}
