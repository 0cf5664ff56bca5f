//! Collections, rules, indexes and purges: each a commit of its own, published to memory afterwards. What
//! is dropped leaves the catalog at once; its keys are garbage that the background removes.

use super::effects::{Growth, grown};
use super::indexes::forget_index;
use super::{Committer, Group};
use crate::catalog::record::Garbage;
use crate::catalog::record::{
    collection_key, count_key, database_key, database_prefixes, encode_collection, encode_feed, feed_key,
    garbage_key,
};
use crate::catalog::{Collection, Database};
use crate::changes::{self, Kind, Texts};
use crate::engine::{ChangePosition, CollectionInfo, CollectionName, DatabaseName, RuleSet};
use crate::error::{EngineError, Limit};
use crate::layout::{self, Space, pair};
use crate::options::EngineOptions;
use std::sync::Arc;

pub(super) fn too_many_collections(options: &EngineOptions) -> EngineError {
    EngineError::limit(
        Limit::CollectionsPerDatabase,
        format!("a database has {} collections at the most", options.collections_per_database_max),
    )
}

impl Committer {
    /// The database, or a new one whose record is in the group.
    pub(super) fn database_or_new(
        &mut self,
        name: &DatabaseName,
        group: &mut Group<'_>,
    ) -> Result<(Arc<Database>, bool), EngineError> {
        if let Some(database) = self.shared.catalog.database(name) {
            return Ok((database, false));
        }
        let id = self.new_id()?;
        group.put(Space::Catalog, database_key(name), id.to_be_bytes());
        Ok((Arc::new(Database::new(id, name.clone())), true))
    }

    /// A new collection whose record is in the group.
    pub(super) fn new_collection(
        &mut self,
        database: &Database,
        name: CollectionName,
        rules: RuleSet,
        group: &mut Group<'_>,
    ) -> Result<Arc<Collection>, EngineError> {
        let collection = Collection::new(self.new_id()?, name, rules);
        group.put(
            Space::Catalog,
            collection_key(database.id, &collection.name),
            encode_collection(&collection)?,
        );
        Ok(Arc::new(collection))
    }

    pub(super) fn existing(
        &self,
        database: &DatabaseName,
        name: &CollectionName,
    ) -> Result<(Arc<Database>, Arc<Collection>), EngineError> {
        let found = self.shared.catalog.collection(database, name);
        found.ok_or_else(|| EngineError::CollectionNotFound(name.to_string()))
    }

    pub(crate) fn create_collection(
        &mut self,
        database: &DatabaseName,
        name: &CollectionName,
        rules: RuleSet,
    ) -> Result<CollectionInfo, EngineError> {
        self.check_writable()?;
        if self.shared.catalog.collection(database, name).is_some() {
            return Err(EngineError::CollectionExists(name.to_string()));
        }
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let (database, is_new) = self.database_or_new(database, &mut group)?;
        if database.collection_count() >= shared.options.collections_per_database_max {
            return Err(too_many_collections(&shared.options));
        }
        let collection = self.new_collection(&database, name.clone(), rules, &mut group)?;
        self.commit(group, self.last_commit)?;
        let info = collection.info();
        database.put(collection);
        if is_new {
            shared.catalog.insert(database);
        }
        Ok(info)
    }

    pub(crate) fn drop_collection(
        &mut self,
        database: &DatabaseName,
        name: &CollectionName,
    ) -> Result<(), EngineError> {
        self.check_writable()?;
        let (database, collection) = self.existing(database, name)?;
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        group.remove(Space::Catalog, collection_key(database.id, name));
        group.remove(Space::Catalog, count_key(database.id, collection.id));
        let mut prefixes = vec![(Space::Documents, pair(database.id, collection.id).to_vec())];
        for index in &collection.indexes {
            prefixes.push(forget_index(&mut group, database.id, index));
        }
        let garbage = self.put_garbage(prefixes, Some(name.clone()), &mut group)?;
        self.commit_noted((&database, &collection), Kind::Dropped, group)?;
        database.remove(name);
        self.background.add_garbage(garbage);
        self.shared.announce(std::iter::once(&database.name), self.last_commit);
        Ok(())
    }

    /// Commits what happens to a whole collection together with an entry in the change feed, which takes a
    /// commit number. The caller takes it over into memory and announces it.
    fn commit_noted(
        &mut self,
        (database, collection): (&Database, &Collection),
        kind: Kind,
        mut group: Group<'_>,
    ) -> Result<(), EngineError> {
        let commit = self.last_commit + 1;
        let key = layout::change(database.id, ChangePosition { commit, index: 0 });
        group.put(Space::Changes, key, changes::encode(collection, kind, Texts::default()));
        let growth = Growth { entries: 1, bytes: group.change_bytes() };
        let feed = grown(database.feed(), growth);
        group.put(Space::Catalog, feed_key(database.id), encode_feed(feed));
        self.commit(group, commit)?;
        database.set_feed(feed);
        Ok(())
    }

    /// Records keys that the background has to remove.
    pub(super) fn put_garbage(
        &mut self,
        prefixes: Vec<(Space, Vec<u8>)>,
        collection: Option<CollectionName>,
        group: &mut Group<'_>,
    ) -> Result<Garbage, EngineError> {
        let garbage = Garbage { id: self.new_id()?, prefixes, collection };
        group.put(Space::Catalog, garbage_key(garbage.id), garbage.encode());
        Ok(garbage)
    }

    /// Commits another version of a collection and publishes it.
    pub(super) fn replace_collection(
        &mut self,
        database: &Database,
        collection: Collection,
        mut group: Group<'_>,
    ) -> Result<Arc<Collection>, EngineError> {
        group.put(
            Space::Catalog,
            collection_key(database.id, &collection.name),
            encode_collection(&collection)?,
        );
        self.commit(group, self.last_commit)?;
        let collection = Arc::new(collection);
        database.put(Arc::clone(&collection));
        Ok(collection)
    }

    pub(crate) fn set_rules(
        &mut self,
        database: &DatabaseName,
        name: &CollectionName,
        rules: RuleSet,
    ) -> Result<CollectionInfo, EngineError> {
        self.check_writable()?;
        let (database, collection) = self.existing(database, name)?;
        let shared = Arc::clone(&self.shared);
        let changed = Arc::new(collection.with_rules(rules));
        let mut group = Group::new(&shared.store);
        group.put(Space::Catalog, collection_key(database.id, &changed.name), encode_collection(&changed)?);
        self.commit_noted((&database, &changed), Kind::RulesReplaced, group)?;
        database.put(Arc::clone(&changed));
        shared.announce(std::iter::once(&database.name), self.last_commit);
        Ok(changed.info())
    }

    /// Forgets a database at once and for good; its keys are removed in the background.
    pub(crate) fn purge(&mut self, name: &DatabaseName) -> Result<(), EngineError> {
        let Some(database) = self.shared.catalog.database(name) else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        group.remove(Space::Catalog, database_key(name));
        let prefix = database.id.to_be_bytes().to_vec();
        let mut prefixes: Vec<_> = [Space::Documents, Space::Indexes, Space::Changes]
            .into_iter()
            .map(|space| (space, prefix.clone()))
            .collect();
        prefixes.extend(database_prefixes(database.id).into_iter().map(|prefix| (Space::Catalog, prefix)));
        let garbage = self.put_garbage(prefixes, None, &mut group)?;
        self.commit(group, self.last_commit)?;
        shared.catalog.remove(name);
        shared.outboxes.forget(name);
        self.background.add_garbage(garbage);
        shared.announce(std::iter::once(name), self.last_commit);
        Ok(())
    }
}
