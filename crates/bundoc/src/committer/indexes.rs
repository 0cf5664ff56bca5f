//! Indexes of collections and group indexes: declared and dropped. Building them is background work.

use super::background::Target;
use super::{Committer, Group};
use crate::catalog::record::{encode_group, group_key, multikey_key, progress_key};
use crate::catalog::{Database, Index, IndexShape};
use crate::engine::{CollectionName, CollectionPattern, DatabaseName, GroupIndexInfo, IndexInfo, IndexSpec};
use crate::error::{EngineError, Limit};
use crate::layout::{Id, Space, pair};
use crate::names;
use std::sync::Arc;

impl Committer {
    pub(crate) fn create_index(
        &mut self,
        database: &DatabaseName,
        name: &CollectionName,
        spec: IndexSpec,
    ) -> Result<IndexInfo, EngineError> {
        self.check_writable()?;
        let (database, collection) = self.existing(database, name)?;
        if let Some(present) = present(&collection.indexes, &spec)? {
            return Ok(present.info());
        }
        let most = self.shared.options.indexes_per_collection_max;
        if collection.indexes.len() >= most {
            return Err(EngineError::limit(
                Limit::IndexesPerCollection,
                format!("a collection has {most} indexes at the most"),
            ));
        }
        let index = Index::unbuilt(IndexShape::new(self.new_id()?, spec, None)?);
        let mut indexes = collection.indexes.clone();
        indexes.push(index.clone());
        let shared = Arc::clone(&self.shared);
        self.replace_collection(&database, collection.with_indexes(indexes), Group::new(&shared.store))?;
        let target = Target::new(&database, Some(name), &index.shape);
        self.background.add_index(target, &index.shape);
        Ok(index.info())
    }

    pub(crate) fn drop_index(
        &mut self,
        database: &DatabaseName,
        name: &CollectionName,
        index_name: &str,
    ) -> Result<(), EngineError> {
        self.check_writable()?;
        let (database, collection) = self.existing(database, name)?;
        let Some(index) = collection.index(index_name) else {
            return Err(EngineError::IndexNotFound(index_name.to_owned()));
        };
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let prefix = forget_index(&mut group, database.id, index);
        let garbage = self.put_garbage(vec![prefix], None, &mut group)?;
        let rest = collection.indexes.iter().filter(|other| other.shape.id != index.shape.id).cloned();
        self.replace_collection(&database, collection.with_indexes(rest.collect()), group)?;
        self.background.add_garbage(garbage);
        Ok(())
    }

    pub(crate) fn create_group_index(
        &mut self,
        database: &DatabaseName,
        pattern: &CollectionPattern,
        spec: IndexSpec,
    ) -> Result<GroupIndexInfo, EngineError> {
        self.check_writable()?;
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let (database, is_new) = self.database_or_new(database, &mut group)?;
        let groups = database.groups();
        let same: Vec<Index> = with_pattern(&groups, pattern).cloned().collect();
        if let Some(present) = present(&same, &spec)? {
            return Ok(GroupIndexInfo { pattern: pattern.clone(), index: present.info() });
        }
        let most = shared.options.group_indexes_per_database_max;
        if groups.len() >= most {
            return Err(EngineError::limit(
                Limit::GroupIndexesPerDatabase,
                format!("a database has {most} group indexes at the most"),
            ));
        }
        let index = Index::unbuilt(IndexShape::new(self.new_id()?, spec, Some(pattern.clone()))?);
        group.put(Space::Catalog, group_key(database.id, index.shape.id), encode_group(&index)?);
        self.commit(group, self.last_commit)?;
        database.set_groups(groups.iter().cloned().chain([index.clone()]).collect());
        let target = Target::new(&database, None, &index.shape);
        if is_new {
            shared.catalog.insert(database);
        }
        self.background.add_index(target, &index.shape);
        Ok(GroupIndexInfo { pattern: pattern.clone(), index: index.info() })
    }

    pub(crate) fn drop_group_index(
        &mut self,
        database: &DatabaseName,
        pattern: &CollectionPattern,
        name: &str,
    ) -> Result<(), EngineError> {
        self.check_writable()?;
        let missing = || EngineError::IndexNotFound(name.to_owned());
        let database = self.shared.catalog.database(database).ok_or_else(missing)?;
        let groups = database.groups();
        let index =
            with_pattern(&groups, pattern).find(|index| index.shape.name == name).ok_or_else(missing)?;
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let prefix = forget_index(&mut group, database.id, index);
        group.remove(Space::Catalog, group_key(database.id, index.shape.id));
        let garbage = self.put_garbage(vec![prefix], None, &mut group)?;
        self.commit(group, self.last_commit)?;
        let rest = groups.iter().filter(|other| other.shape.id != index.shape.id).cloned();
        database.set_groups(rest.collect());
        self.background.add_garbage(garbage);
        Ok(())
    }

    /// Commits another state of an index and publishes it.
    pub(super) fn replace_index(
        &mut self,
        database: &Database,
        collection: Option<&CollectionName>,
        (index, mut group): (Index, Group<'_>),
    ) -> Result<(), EngineError> {
        let replaced = |indexes: &[Index]| -> Vec<Index> {
            let replace = |other: &Index| {
                if other.shape.id == index.shape.id { index.clone() } else { other.clone() }
            };
            indexes.iter().map(replace).collect()
        };
        let Some(name) = collection else {
            group.put(Space::Catalog, group_key(database.id, index.shape.id), encode_group(&index)?);
            self.commit(group, self.last_commit)?;
            database.set_groups(replaced(&database.groups()).into());
            return Ok(());
        };
        let Some(collection) = database.collection(name) else { return Ok(()) };
        let changed = collection.with_indexes(replaced(&collection.indexes));
        self.replace_collection(database, changed, group).map(|_| ())
    }
}

fn with_pattern<'a>(groups: &'a [Index], pattern: &'a CollectionPattern) -> impl Iterator<Item = &'a Index> {
    groups.iter().filter(move |index| index.shape.pattern.as_ref() == Some(pattern))
}

/// The index of that name if it is there in that shape.
fn present<'a>(indexes: &'a [Index], spec: &IndexSpec) -> Result<Option<&'a Index>, EngineError> {
    let name = spec.name.clone().unwrap_or_else(|| names::index_name(&spec.fields));
    match indexes.iter().find(|index| index.shape.name == name) {
        Some(index) if !index.shape.is(spec) => Err(EngineError::IndexExists(name)),
        found => Ok(found),
    }
}

/// Removes what the catalog knows about an index; returns where its entries are.
pub(super) fn forget_index(group: &mut Group<'_>, database: Id, index: &Index) -> (Space, Vec<u8>) {
    group.remove(Space::Catalog, multikey_key(database, index.shape.id));
    group.remove(Space::Catalog, progress_key(database, index.shape.id));
    (Space::Indexes, pair(database, index.shape.id).to_vec())
}
