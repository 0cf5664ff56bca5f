//! Queries that are equal are one: same database, collection, filter and fields. What a change is to a
//! query is found once for all that subscribe to it.

use bson::Document;
use bundoc::engine::CollectionName;
use bundoc::{Equality, Matcher};
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// A query that is subscribed to.
pub(super) struct SharedQuery {
    /// Different for each query of a feed.
    pub(super) number: u64,
    pub(super) matcher: Matcher,
    pub(super) filter: Document,
    /// What its filter requires to be equal.
    pub(super) equality: Option<Equality>,
}

/// The queries of one feed that somebody subscribes to.
#[derive(Default)]
pub(super) struct SharedQueries {
    last_number: u64,
    known: HashMap<(CollectionName, Vec<u8>), Weak<SharedQuery>>,
}

/// A query before it is known whether it is there already.
pub(super) struct NewQuery {
    pub(super) matcher: Matcher,
    pub(super) filter: Document,
    pub(super) fields: Document,
}

/// The queries of a project hold as many regular expressions as they may.
#[derive(Debug)]
pub(super) struct TooManyPatterns {
    pub(super) held: usize,
}

impl SharedQueries {
    /// The one that is there, or else the new one, where all have no more than so many regular expressions
    /// with it.
    pub(super) fn share(
        &mut self,
        collection: &CollectionName,
        query: NewQuery,
        patterns_max: usize,
    ) -> Result<Arc<SharedQuery>, TooManyPatterns> {
        let NewQuery { matcher, filter, fields } = query;
        let bytes = |document: &Document| document.to_vec().unwrap_or_default();
        let key = (collection.clone(), [bytes(&filter), bytes(&fields)].concat());
        if let Some(known) = self.known.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        self.known.retain(|_, query| query.strong_count() > 0);
        if matcher.patterns() > 0 {
            let held = self.patterns();
            if held + matcher.patterns() > patterns_max {
                return Err(TooManyPatterns { held });
            }
        }
        self.last_number += 1;
        let equality = Equality::required_by(&filter);
        let query = Arc::new(SharedQuery { number: self.last_number, matcher, filter, equality });
        self.known.insert(key, Arc::downgrade(&query));
        Ok(query)
    }

    /// Regular expressions of all of them.
    fn patterns(&self) -> usize {
        self.known.values().filter_map(Weak::upgrade).map(|query| query.matcher.patterns()).sum()
    }
}
