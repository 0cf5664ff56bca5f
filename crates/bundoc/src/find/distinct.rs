//! The different values of a field.

use super::reader::Reader;
use super::source::Source;
use crate::document;
use crate::engine::Order;
use crate::error::EngineError;
use crate::key::encode;
use crate::path::any_branch;
use bson::{Bson, RawBson, RawBsonRef, RawDocument};
use std::collections::BTreeMap;

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
        if self.found.len() > options.distinct_values_max || self.bytes > options.find_sort_bytes_max {
            return Err(EngineError::QueryTooExpensive(format!(
                "the field has more than {} different values, or too long ones; ask for less",
                options.distinct_values_max
            )));
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<Bson>, EngineError> {
        let values = self.found.into_values().map(Bson::try_from);
        values.collect::<Result<_, _>>().map_err(|_| {
            EngineError::Damaged("a stored document is not valid BSON: restore the store from a copy".into())
        })
    }
}
