//! A query, checked: filter, sort, page, cursor. The order of results does not depend on how they are found:
//! sort keys, then `_id` in the direction of the last sort key; over several collections the name of the
//! collection stands before `_id`.

use crate::engine::{CollectionPattern, FieldOrder, FindRequest, Order};
use crate::error::{EngineError, Limit};
use crate::filter::{self, Filter, Patterns};
use crate::indexing::{append_id, id_order};
use crate::key::{encode, invert};
use crate::layout::Id;
use crate::options::EngineOptions;
use crate::path::{self, any_branch};
use crate::projection::Projection;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bson::{RawBsonRef, RawDocument};
use xxhash_rust::xxh3::Xxh3;

/// Fields of one sort.
const SORT_FIELDS_MAX: usize = 8;
/// Bytes of the encoded sort values of one document.
const SORT_KEY_BYTES_MAX: usize = 8 * 1024;
/// Characters of a cursor.
const CURSOR_CHARS_MAX: usize = 32 * 1024;

/// A checked query.
pub(crate) struct Query {
    pub(crate) filter: Filter,
    pub(crate) sort: Sort,
    pub(crate) limit: usize,
    pub(crate) skip: usize,
    pub(crate) after: Option<Place>,
    pub(crate) fields: Projection,
    /// Regular expressions of the filter and the projection.
    pub(crate) patterns: usize,
    /// Whether it is over several collections; the id in a place is then the name of the collection, `00`
    /// and the id.
    pub(crate) over_group: bool,
    fingerprint: u64,
}

/// Sort fields before `_id`, and the direction of `_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) fields: Vec<FieldOrder>,
    pub(crate) id: Order,
}

/// Where a document stands in the order: its sort values, encoded ascending, and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) values: Vec<Vec<u8>>,
    pub(crate) id: String,
}

fn invalid(text: impl Into<String>) -> EngineError {
    EngineError::InvalidQuery(text.into())
}

impl Query {
    /// Checks a request for a collection.
    pub(crate) fn parse(
        request: &FindRequest,
        collection: Id,
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        let sort = Sort::parse(&request.sort)?;
        Self::parse_with(request, (sort, &collection.to_be_bytes()), options)
    }

    /// Checks a request for all collections that match a pattern.
    pub(crate) fn parse_for_group(
        request: &FindRequest,
        pattern: &CollectionPattern,
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        let sort = Sort::parse_for_group(&request.sort)?;
        let query = Self::parse_with(request, (sort, pattern.as_str().as_bytes()), options)?;
        Ok(Self { over_group: true, ..query })
    }

    fn parse_with(
        request: &FindRequest,
        (sort, place): (Sort, &[u8]),
        options: &EngineOptions,
    ) -> Result<Self, EngineError> {
        if request.limit == 0 || request.limit > options.find_limit_max {
            return Err(invalid(format!("limit is 1 to {}", options.find_limit_max)));
        }
        if request.skip > options.find_skip_max {
            return Err(invalid(format!(
                "skip is {} at the most; page with a cursor",
                options.find_skip_max
            )));
        }
        let fields = Projection::parse(&request.fields)?;
        let fingerprint = fingerprint(request, place)?;
        let after =
            request.cursor.as_deref().map(|cursor| Place::parse(cursor, fingerprint, &sort)).transpose()?;
        // A cursor already stands behind what was passed over.
        let skip = if after.is_some() { 0 } else { request.skip };
        let mut patterns = Patterns::default();
        let filter = filter::parse_with(&request.filter, &mut patterns)?;
        let patterns = patterns.count() + fields.patterns();
        let limit = request.limit;
        Ok(Self { filter, sort, limit, skip, after, fields, patterns, over_group: false, fingerprint })
    }

    /// The cursor that continues behind a place.
    pub(crate) fn cursor(&self, place: &Place) -> String {
        let mut bytes = self.fingerprint.to_be_bytes().to_vec();
        for value in &place.values {
            // At most `SORT_KEY_BYTES_MAX`.
            bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
            bytes.extend_from_slice(value);
        }
        bytes.extend_from_slice(place.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// What binds a cursor to its query: everything that decides which documents come in which order.
fn fingerprint(request: &FindRequest, place: &[u8]) -> Result<u64, EngineError> {
    let filter = request.filter.to_vec().map_err(|error| invalid(format!("malformed filter: {error}")))?;
    let mut hash = Xxh3::new();
    hash.update(place);
    hash.update(&filter);
    for field in &request.sort {
        hash.update(field.path.as_bytes());
        hash.update(&[0, u8::from(field.order == Order::Ascending)]);
    }
    Ok(hash.digest())
}

impl Sort {
    fn parse(fields: &[FieldOrder]) -> Result<Self, EngineError> {
        Self::check(fields)?;
        let before_id = fields.iter().position(|field| field.path == "_id");
        let (kept, id) = match before_id {
            // Nothing behind a unique value can matter.
            Some(position) => (&fields[..position], fields[position].order),
            None => (fields, id_order(fields)),
        };
        Ok(Self { fields: kept.to_vec(), id })
    }

    /// Ids are not unique over several collections, so that `_id` is a field like others.
    fn parse_for_group(fields: &[FieldOrder]) -> Result<Self, EngineError> {
        Self::check(fields)?;
        Ok(Self { fields: fields.to_vec(), id: id_order(fields) })
    }

    fn check(fields: &[FieldOrder]) -> Result<(), EngineError> {
        if fields.len() > SORT_FIELDS_MAX {
            return Err(invalid(format!("a sort has {SORT_FIELDS_MAX} fields at the most")));
        }
        fields.iter().try_for_each(|field| path::check(&field.path).map_err(invalid))
    }

    /// Where a document stands.
    pub(crate) fn place(&self, document: &RawDocument, id: &str) -> Result<Place, EngineError> {
        let values: Vec<_> = self.fields.iter().map(|field| sort_value(document, field)).collect();
        if values.iter().map(Vec::len).sum::<usize>() > SORT_KEY_BYTES_MAX {
            let message = format!(
                "document `{id}` has sort values of more than {SORT_KEY_BYTES_MAX} bytes; sort by shorter fields"
            );
            return Err(EngineError::QueryTooExpensive { limit: Limit::SortKeyBytes, message });
        }
        Ok(Place { values, id: id.to_owned() })
    }

    /// Bytes in the order of the results.
    pub(crate) fn bytes(&self, place: &Place) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        for (field, value) in self.fields.iter().zip(&place.values) {
            let start = out.len();
            out.extend_from_slice(value);
            if field.order == Order::Descending {
                invert(&mut out[start..]);
            }
        }
        append_id(&mut out, &place.id, self.id);
        out
    }
}

/// The value of a field that counts in a sort: of an array the smallest or largest element.
fn sort_value(document: &RawDocument, field: &FieldOrder) -> Vec<u8> {
    let mut best: Option<Vec<u8>> = None;
    let mut offer = |value: RawBsonRef<'_>| {
        let mut bytes = Vec::with_capacity(16);
        encode(value, Order::Ascending, &mut bytes);
        let better = best.as_ref().is_none_or(|best| match field.order {
            Order::Ascending => bytes < *best,
            Order::Descending => bytes > *best,
        });
        if better {
            best = Some(bytes);
        }
    };
    any_branch(document, &field.path, &mut |branch| {
        match branch {
            Some(RawBsonRef::Array(array)) if !array.is_empty() => {
                array.into_iter().flatten().for_each(&mut offer);
            }
            // An empty array comes before null, as in MongoDB.
            Some(RawBsonRef::Array(_)) => offer(RawBsonRef::Undefined),
            None => offer(RawBsonRef::Null),
            Some(value) => offer(value),
        }
        false
    });
    best.unwrap_or_default()
}

impl Place {
    fn parse(cursor: &str, fingerprint: u64, sort: &Sort) -> Result<Self, EngineError> {
        let foreign = || invalid("the cursor is malformed or belongs to another query");
        if cursor.len() > CURSOR_CHARS_MAX {
            return Err(foreign());
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| foreign())?;
        let (own, mut rest) = bytes.split_first_chunk::<8>().ok_or_else(foreign)?;
        if u64::from_be_bytes(*own) != fingerprint {
            return Err(foreign());
        }
        let mut values = Vec::with_capacity(sort.fields.len());
        for _ in &sort.fields {
            let (length, after) = rest.split_first_chunk::<2>().ok_or_else(foreign)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (value, after) = after.split_at_checked(length).ok_or_else(foreign)?;
            values.push(value.to_vec());
            rest = after;
        }
        let id = std::str::from_utf8(rest).map_err(|_| foreign())?;
        Ok(Self { values, id: id.to_owned() })
    }
}
