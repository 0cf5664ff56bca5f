//! Keys that belong to nothing: every key is of something in the catalog, or waits for its removal.

use super::Check;
use crate::catalog::Catalog;
use crate::catalog::record::{Garbage, owned_pair};
use crate::error::EngineError;
use crate::key::prefix_end;
use crate::layout::{Id, PAIR_BYTES, Space, pair};
use crate::store::KeyRange;
use std::collections::HashSet;
use std::ops::Bound;

/// What may have keys.
struct Owners<'a> {
    databases: HashSet<[u8; 4]>,
    collections: HashSet<[u8; 8]>,
    indexes: HashSet<[u8; 8]>,
    garbage: &'a [Garbage],
}

impl<'a> Owners<'a> {
    fn new(catalog: &Catalog, garbage: &'a [Garbage]) -> Self {
        let mut owners =
            Self { databases: HashSet::new(), collections: HashSet::new(), indexes: HashSet::new(), garbage };
        for database in catalog.all() {
            owners.databases.insert(database.id.to_be_bytes());
            let groups = database.groups();
            owners.indexes.extend(groups.iter().map(|index| pair(database.id, index.shape.id)));
            for collection in database.collections("") {
                owners.collections.insert(pair(database.id, collection.id));
                let indexes = collection.indexes.iter();
                owners.indexes.extend(indexes.map(|index| pair(database.id, index.shape.id)));
            }
        }
        owners
    }

    /// Whether keys of `space` may begin with `prefix`.
    fn has(&self, space: Space, prefix: &[u8]) -> bool {
        match space {
            Space::Documents => self.collections.contains(prefix),
            Space::Indexes => self.indexes.contains(prefix),
            Space::Changes => self.databases.contains(prefix),
            Space::Catalog | Space::Meta => true,
        }
    }

    fn is_garbage(&self, space: Space, key: &[u8]) -> bool {
        let prefixes = self.garbage.iter().flat_map(|garbage| &garbage.prefixes);
        prefixes.into_iter().any(|(of, prefix)| *of == space && key.starts_with(prefix))
    }
}

impl Check<'_> {
    /// Looks at one key of each owner.
    pub(super) fn strays(&mut self, catalog: &Catalog, garbage: &[Garbage]) -> Result<(), EngineError> {
        let owners = Owners::new(catalog, garbage);
        for (space, name) in Space::ALL {
            let prefix_bytes = match space {
                Space::Documents | Space::Indexes => PAIR_BYTES,
                Space::Changes => size_of::<Id>(),
                Space::Catalog | Space::Meta => continue,
            };
            let mut from = Bound::Unbounded;
            while let Some(key) = self.first(space, from)? {
                let prefix = key.get(..prefix_bytes).unwrap_or(&key);
                if !owners.has(space, prefix) && !owners.is_garbage(space, &key) {
                    self.report.problem(format!("{name}: keys of {prefix:?} belong to nothing"));
                }
                let Some(next) = prefix_end(prefix) else { break };
                from = Bound::Included(next);
            }
        }
        self.catalog_strays(&owners)
    }

    fn first(&self, space: Space, from: Bound<Vec<u8>>) -> Result<Option<Vec<u8>>, EngineError> {
        let range = KeyRange { from, to: Bound::Unbounded };
        let first = self.view.ascending(space, range).next().transpose()?;
        Ok(first.map(|(key, _)| key.to_vec()))
    }

    fn catalog_strays(&mut self, owners: &Owners<'_>) -> Result<(), EngineError> {
        let everything = KeyRange { from: Bound::Unbounded, to: Bound::Unbounded };
        for entry in self.view.ascending(Space::Catalog, everything) {
            let (key, _) = entry?;
            let Some(owner) = owned_pair(&key) else { continue };
            let known = owners.collections.contains(owner) || owners.indexes.contains(owner);
            if !known && !owners.is_garbage(Space::Catalog, &key) {
                self.report.problem(format!("catalog: {key:?} belongs to nothing"));
            }
        }
        Ok(())
    }
}
