//! Pages: of a source in the order of the query the first documents that come, of any other the smallest
//! places, kept in a bounded tree.

use super::reader::Reader;
use super::source::{Found, Source};
use crate::catalog::Collection;
use crate::error::{EngineError, Limit};
use crate::query::Place;
use fjall::Slice;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The documents of a page, and where the next one begins.
pub(super) type Filled = (Vec<Found>, Option<Place>);

/// Whether documents come in the order of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Ordered,
    Unordered,
}

/// One page from a source.
pub(super) fn fill(
    source: &mut dyn Source,
    arrival: Arrival,
    reader: &mut Reader<'_>,
) -> Result<Filled, EngineError> {
    match arrival {
        Arrival::Ordered => first(source, reader),
        Arrival::Unordered => smallest(source, reader),
    }
}

fn first(source: &mut dyn Source, reader: &mut Reader<'_>) -> Result<Filled, EngineError> {
    let (limit, bytes_max) = (reader.query.limit, reader.options.find_page_bytes_max);
    let mut page: Vec<Found> = Vec::with_capacity(limit.min(128));
    let (mut skip, mut bytes) = (reader.query.skip, 0);
    while let Some(found) = source.next(reader)? {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        bytes += found.stored.len();
        page.push(found);
        if page.len() == limit || bytes >= bytes_max {
            let more = source.may_have_more(reader)?;
            let last = page.last().filter(|_| more).map(|last| last.place(reader)).transpose()?;
            return Ok((page, last));
        }
    }
    Ok((page, None))
}

/// A document that may be on the page.
struct Candidate {
    collection: Arc<Collection>,
    id: Slice,
    /// Its bytes, where the store does not have them in this form.
    stored: Option<Slice>,
}

impl Candidate {
    fn bytes(&self) -> usize {
        self.id.len() + self.stored.as_ref().map_or(0, |stored| stored.len())
    }
}

fn smallest(source: &mut dyn Source, reader: &mut Reader<'_>) -> Result<Filled, EngineError> {
    let query = reader.query;
    let after = query.after.as_ref().map(|place| query.sort.bytes(place));
    let wanted = query.skip + query.limit + 1;
    let mut kept: BTreeMap<Vec<u8>, Candidate> = BTreeMap::new();
    let mut bytes = 0;
    while let Some(found) = source.next(reader)? {
        let place = query.sort.bytes(&found.place(reader)?);
        let passed = after.as_ref().is_some_and(|after| place <= *after);
        let beyond = kept.len() == wanted && kept.last_key_value().is_some_and(|(last, _)| place > *last);
        if passed || beyond {
            continue;
        }
        let Found { collection, id, stored, in_store } = found;
        let candidate = Candidate { collection, id, stored: (!in_store).then_some(stored) };
        bytes += place.len() + candidate.bytes();
        kept.insert(place, candidate);
        if kept.len() > wanted {
            bytes -= kept.pop_last().map_or(0, |(place, last)| place.len() + last.bytes());
        }
        if bytes > reader.options.find_sort_bytes_max {
            return Err(reader.too_expensive(Limit::FindSortBytes));
        }
    }
    fetch(kept.into_values().skip(query.skip), reader)
}

/// Reads the documents of a page; one more than the page means that there is another.
fn fetch(
    candidates: impl Iterator<Item = Candidate>,
    reader: &mut Reader<'_>,
) -> Result<Filled, EngineError> {
    let mut page: Vec<Found> = Vec::with_capacity(reader.query.limit.min(128));
    let mut bytes = 0;
    for Candidate { collection, id, stored } in candidates {
        if page.len() == reader.query.limit || bytes >= reader.options.find_page_bytes_max {
            let last = page.last().map(|last| last.place(reader)).transpose()?;
            return Ok((page, last));
        }
        let in_store = stored.is_none();
        let stored = match stored {
            Some(stored) => Some(stored),
            None => reader.fetch(collection.id, &id)?,
        };
        if let Some(stored) = stored {
            bytes += stored.len();
            page.push(Found { collection, id, stored, in_store });
        }
    }
    Ok((page, None))
}
