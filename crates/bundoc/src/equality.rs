//! What a filter asks to be equal, as keys for a hash table: whoever holds very many filters over one field
//! finds those that a document may pass without asking each.

use crate::engine::Order;
use crate::filter::{self, Condition, Filter};
use crate::key::encode;
use crate::path::any_branch;
use crate::value::{Rank, rank};
use bson::{Document, RawBsonRef, RawDocument};

/// Values of one `$in`.
const VALUES_MAX: usize = 100;

/// A path, and keys of which every document that passes a filter has one there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equality {
    /// Dot path.
    pub path: String,
    /// The keys, as `keys_at` makes them.
    pub keys: Vec<Box<[u8]>>,
}

impl Equality {
    /// What `filter` requires; `None` where it requires nothing to be equal, or nothing that has a key.
    pub fn required_by(filter: &Document) -> Option<Self> {
        Self::required(&filter::parse(filter).ok()?)
    }

    fn required(filter: &Filter) -> Option<Self> {
        let (path, condition) = match filter {
            Filter::And(parts) => return parts.iter().find_map(Self::required),
            Filter::Field { path, condition } => (path, condition),
            Filter::Or(_) | Filter::Nor(_) | Filter::Expression(_) => return None,
        };
        let values = match condition {
            Condition::Equal(value) => std::slice::from_ref(value),
            Condition::In(values) if values.len() <= VALUES_MAX => values.as_slice(),
            _ => return None,
        };
        let keys: Option<Vec<_>> = values.iter().map(|value| key(value.as_raw_bson_ref())).collect();
        Some(Self { path: path.clone(), keys: keys? })
    }
}

/// The keys of the values that a document has at a path, those of elements of arrays included.
pub fn keys_at(document: &RawDocument, path: &str) -> Vec<Box<[u8]>> {
    let mut keys = Vec::new();
    any_branch(document, path, &mut |branch| {
        match branch {
            Some(RawBsonRef::Array(array)) => keys.extend(array.into_iter().flatten().filter_map(key)),
            Some(value) => keys.extend(key(value)),
            None => {}
        }
        false
    });
    keys
}

/// The key of a value; `None` where equality in filters means more than one value.
fn key(value: RawBsonRef<'_>) -> Option<Box<[u8]>> {
    let plain = matches!(
        rank(value),
        Rank::Number | Rank::String | Rank::Binary | Rank::ObjectId | Rank::Boolean | Rank::DateTime
    );
    plain.then(|| {
        let mut key = Vec::new();
        encode(value, Order::Ascending, &mut key);
        key.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{doc, rawdoc};

    #[test]
    fn every_document_that_passes_has_one_of_the_keys() {
        let cases = [
            (doc! {"a": 5}, rawdoc! {"a": 5.0}),
            (doc! {"a": 5}, rawdoc! {"a": [1, 5]}),
            (doc! {"a": {"$in": ["x", true]}, "b": 1}, rawdoc! {"a": true, "b": 1}),
            (doc! {"$and": [{"n": {"$gt": 1}}, {"a.b": "x"}]}, rawdoc! {"n": 2, "a": [{"b": "x"}]}),
        ];
        for (filter, document) in cases {
            let equality = Equality::required_by(&filter).unwrap();
            let keys = keys_at(&document, &equality.path);
            assert!(keys.iter().any(|key| equality.keys.contains(key)), "{filter}");
        }
    }

    #[test]
    fn what_means_more_than_one_value_requires_nothing() {
        let open =
            [doc! {}, doc! {"a": null}, doc! {"a": [1]}, doc! {"a": {"$gt": 1}}, doc! {"$or": [{"a": 1}]}];
        for filter in open {
            assert_eq!(Equality::required_by(&filter), None, "{filter}");
        }
    }
}
