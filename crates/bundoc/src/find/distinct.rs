//! The different values of a field.

use super::reader::Reader;
use super::source::Source;
use crate::document;
use crate::engine::Order;
use crate::error::{EngineError, Limit};
use crate::indexing::entry::EntryValue;
use crate::key::{encode, length, prefix_end};
use crate::layout::Space;
use crate::path::any_branch;
use crate::plan::Plan;
use crate::store::KeyRange;
use bson::{Bson, RawBson, RawBsonRef, RawDocument};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Entries of one value after which it pays to look for the next value.
const RUN_LONG: usize = 16;

/// Entries of one value that came one after the other.
#[derive(Default)]
struct Run {
    encoded: Vec<u8>,
    entries: usize,
}

impl Run {
    fn is_long(&mut self, encoded: &[u8]) -> bool {
        if self.encoded != encoded {
            *self = Self { encoded: encoded.to_vec(), entries: 0 };
        }
        self.entries += 1;
        self.entries >= RUN_LONG
    }
}

fn is_null(encoded: &[u8], order: Order) -> bool {
    let mut null = Vec::new();
    encode(RawBsonRef::Null, order, &mut null);
    encoded == null
}

/// Values by their encoded form, which is their order; of equal ones the first that came.
pub(super) struct Values {
    found: BTreeMap<Vec<u8>, RawBson>,
    bytes: usize,
}

impl Values {
    /// The values of `field` in all documents of a source.
    pub(super) fn collect(
        source: &mut dyn Source,
        field: &str,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<Bson>, EngineError> {
        let mut values = Self { found: BTreeMap::new(), bytes: 0 };
        while let Some(found) = source.next(reader)? {
            let (_, document) = document::split(&found.stored)?;
            values.add(document, field);
            values.check(reader)?;
        }
        values.finish()
    }

    /// The values of a field from an index that has nothing else before it; entries of a value that comes
    /// often are passed over. `None` where the entries do not say it.
    pub(super) fn from_index(
        plan: &Plan,
        field: &str,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Vec<Bson>>, EngineError> {
        let Some((scan, place, before)) = plan.values_of(field) else { return Ok(None) };
        let Some(shape) = &scan.index else { return Ok(None) };
        let order = shape.fields[place].order;
        let mut values = Self { found: BTreeMap::new(), bytes: 0 };
        for range in &scan.ranges {
            let mut entries = reader.view.ascending(Space::Indexes, range.clone());
            let mut run = Run::default();
            while let Some(entry) = entries.next() {
                let (key, value) = entry?;
                reader.spend()?;
                let encoded = key.get(before..).and_then(|rest| rest.get(..length(rest, order)?));
                let said = encoded
                    .zip(EntryValue::parse(shape, &value))
                    .and_then(|(encoded, value)| Some((encoded, value.field(shape, place, encoded)?)));
                let Some((encoded, said)) = said else { return Ok(None) };
                if let Some(said) = said {
                    values.put(said.as_raw_bson_ref());
                    values.check(reader)?;
                }
                // Null is that of missing fields, too: each entry has to say which.
                if run.is_long(encoded) && !is_null(encoded, order) {
                    let from = prefix_end(&key[..before + encoded.len()]);
                    let from = from.map_or(Bound::Excluded(key.to_vec()), Bound::Included);
                    entries = reader.view.ascending(Space::Indexes, KeyRange { from, to: range.to.clone() });
                }
            }
        }
        values.finish().map(Some)
    }

    fn add(&mut self, document: &RawDocument, field: &str) {
        any_branch(document, field, &mut |branch| {
            match branch {
                None => {}
                Some(RawBsonRef::Array(array)) => array.into_iter().flatten().for_each(|v| self.put(v)),
                Some(value) => self.put(value),
            }
            false
        });
    }

    fn put(&mut self, value: RawBsonRef<'_>) {
        let mut key = Vec::with_capacity(16);
        encode(value, Order::Ascending, &mut key);
        if !self.found.contains_key(&key) {
            // The value is about as large as its key.
            self.bytes += 2 * key.len();
            self.found.insert(key, value.into());
        }
    }

    fn check(&self, reader: &Reader<'_>) -> Result<(), EngineError> {
        let options = reader.options;
        let limit = if self.found.len() > options.distinct_values_max {
            Limit::DistinctValues
        } else if self.bytes > options.find_sort_bytes_max {
            Limit::FindSortBytes
        } else {
            return Ok(());
        };
        let message = format!(
            "the field has more than {} different values, or too long ones; ask for less",
            options.distinct_values_max
        );
        Err(EngineError::QueryTooExpensive { limit, message })
    }

    fn finish(self) -> Result<Vec<Bson>, EngineError> {
        let values = self.found.into_values().map(Bson::try_from);
        values.collect::<Result<_, _>>().map_err(|_| {
            EngineError::Damaged("a stored document is not valid BSON: restore the store from a copy".into())
        })
    }
}
