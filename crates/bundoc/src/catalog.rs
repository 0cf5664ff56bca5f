//! The catalog in memory: databases, collections, indexes. Read by everybody, changed by the committer
//! alone, and only after the change is durable. A collection is immutable; a change replaces it.

pub(crate) mod index;
pub(crate) mod record;

use crate::committer::Group;
use crate::engine::{
    ChangePosition, CollectionInfo, CollectionName, CollectionPattern, DatabaseName, DatabaseStats, RuleSet,
};
use crate::layout::{Id, Space};
use crate::rules::CompiledRules;
pub(crate) use index::{BuildState, Index, IndexShape};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// All databases.
#[derive(Default)]
pub(crate) struct Catalog {
    databases: RwLock<HashMap<DatabaseName, Arc<Database>>>,
}

/// One database.
pub(crate) struct Database {
    pub(crate) id: Id,
    pub(crate) name: DatabaseName,
    collections: RwLock<BTreeMap<CollectionName, Arc<Collection>>>,
    /// Indexes over all collections that match a pattern.
    groups: RwLock<Arc<[Index]>>,
    /// Entries in the change feed, and the place up to which it was trimmed.
    pub(crate) feed: RwLock<FeedState>,
    /// Bytes of documents and index entries.
    pub(crate) bytes: AtomicU64,
}

/// How far a change feed reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FeedState {
    /// Everything up to here was removed.
    pub(crate) floor: ChangePosition,
    /// Entries that are kept.
    pub(crate) entries: u64,
    /// Bytes of them; those of entries that an older program wrote are not counted.
    pub(crate) bytes: u64,
}

/// One collection.
pub(crate) struct Collection {
    pub(crate) id: Id,
    pub(crate) name: CollectionName,
    pub(crate) rules: Arc<CompiledRules>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) documents: Arc<AtomicU64>,
}

impl Catalog {
    pub(crate) fn database(&self, name: &DatabaseName) -> Option<Arc<Database>> {
        self.databases.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The database with this number.
    pub(crate) fn database_of(&self, id: Id) -> Option<Arc<Database>> {
        let databases = self.databases.read().unwrap_or_else(PoisonError::into_inner);
        databases.values().find(|database| database.id == id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Database>> {
        self.databases.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn insert(&self, database: Arc<Database>) {
        let mut databases = self.databases.write().unwrap_or_else(PoisonError::into_inner);
        databases.insert(database.name.clone(), database);
    }

    pub(crate) fn remove(&self, name: &DatabaseName) {
        self.databases.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// A collection and its database.
    pub(crate) fn collection(
        &self,
        database: &DatabaseName,
        collection: &CollectionName,
    ) -> Option<(Arc<Database>, Arc<Collection>)> {
        let database = self.database(database)?;
        let collection = database.collection(collection)?;
        Some((database, collection))
    }
}

impl Database {
    pub(crate) fn new(id: Id, name: DatabaseName) -> Self {
        let groups = RwLock::new(Arc::from([]));
        Self {
            id,
            name,
            collections: RwLock::default(),
            groups,
            feed: RwLock::default(),
            bytes: AtomicU64::new(0),
        }
    }

    /// The group indexes; the same list as long as nobody changes it.
    pub(crate) fn groups(&self) -> Arc<[Index]> {
        Arc::clone(&self.groups.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_groups(&self, groups: Arc<[Index]>) {
        *self.groups.write().unwrap_or_else(PoisonError::into_inner) = groups;
    }

    pub(crate) fn collection(&self, name: &CollectionName) -> Option<Arc<Collection>> {
        self.collections.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn collection_named(&self, name: &str) -> Option<Arc<Collection>> {
        self.collections.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn collection_count(&self) -> usize {
        self.collections.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Collections whose name begins with `prefix`, in name order.
    pub(crate) fn collections(&self, prefix: &str) -> Vec<Arc<Collection>> {
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        let from: (Bound<&str>, Bound<&str>) = (Bound::Included(prefix), Bound::Unbounded);
        collections
            .range::<str, _>(from)
            .take_while(|(name, _)| name.as_str().starts_with(prefix))
            .map(|(_, collection)| Arc::clone(collection))
            .collect()
    }

    /// Collections whose name matches a pattern, in name order.
    pub(crate) fn matching(&self, pattern: &CollectionPattern) -> Vec<Arc<Collection>> {
        let mut collections = self.collections(pattern.literal_prefix());
        collections.retain(|collection| pattern.matches(&collection.name));
        collections
    }

    pub(crate) fn put(&self, collection: Arc<Collection>) {
        let mut collections = self.collections.write().unwrap_or_else(PoisonError::into_inner);
        collections.insert(collection.name.clone(), collection);
    }

    pub(crate) fn remove(&self, name: &CollectionName) {
        self.collections.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Counts bytes more or fewer. Only the committer does.
    pub(crate) fn add_bytes(&self, more: i64) {
        let bytes = self.bytes.load(Ordering::Relaxed).saturating_add_signed(more);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Puts the number of bytes that it will have into a group.
    pub(crate) fn put_bytes(&self, group: &mut Group<'_>, more: i64) {
        let bytes = self.bytes.load(Ordering::Relaxed).saturating_add_signed(more);
        group.put(Space::Catalog, record::bytes_key(self.id), bytes.to_be_bytes());
    }

    pub(crate) fn stats(&self) -> DatabaseStats {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        let stats = DatabaseStats {
            bytes,
            collections: collections.len() as u64,
            indexes: self.groups().len() as u64,
            ..DatabaseStats::default()
        };
        collections.values().fold(stats, |stats, collection| DatabaseStats {
            documents: stats.documents + collection.documents.load(Ordering::Relaxed),
            indexes: stats.indexes + collection.indexes.len() as u64,
            ..stats
        })
    }

    pub(crate) fn feed(&self) -> FeedState {
        *self.feed.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_feed(&self, state: FeedState) {
        *self.feed.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Collection {
    /// A new, empty collection.
    pub(crate) fn new(id: Id, name: CollectionName, rules: RuleSet) -> Self {
        let rules = Arc::new(CompiledRules::new(rules));
        Self { id, name, rules, indexes: Vec::new(), documents: Arc::default() }
    }

    /// The same collection with other rules.
    pub(crate) fn with_rules(&self, rules: RuleSet) -> Self {
        Self { rules: Arc::new(CompiledRules::new(rules)), ..self.with_indexes(self.indexes.clone()) }
    }

    /// The same collection with other indexes.
    pub(crate) fn with_indexes(&self, indexes: Vec<Index>) -> Self {
        Self {
            id: self.id,
            name: self.name.clone(),
            rules: Arc::clone(&self.rules),
            indexes,
            documents: Arc::clone(&self.documents),
        }
    }

    pub(crate) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.shape.name == name)
    }

    pub(crate) fn info(&self) -> CollectionInfo {
        CollectionInfo {
            name: self.name.clone(),
            documents: self.documents.load(Ordering::Relaxed),
            rules: self.rules.source().clone(),
            indexes: self.indexes.iter().map(Index::info).collect(),
        }
    }
}
