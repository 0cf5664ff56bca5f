//! What `$push`, `$addToSet`, `$pop`, `$pull` and `$pullAll` do with an array; each says whether the array
//! is other than before.

use super::selectors::wrapped;
use super::values::{compare, identical_arrays, key_of, write_key};
use crate::engine::Order;
use crate::error::EngineError;
use crate::filter::Filter;
use bson::{Bson, RawDocumentBuf};
use std::cmp::Ordering;
use std::collections::HashSet;

/// The name under which `$pull` shows an element to a filter over elements.
pub(super) const ELEMENT: &str = "element";

/// `$push`: values go in at a position, then the array is sorted, then cut.
#[derive(Debug, Clone, Default)]
pub(super) struct Push {
    pub(super) values: Vec<Bson>,
    /// From the start, or where negative from the end; without it at the end.
    pub(super) position: Option<i64>,
    pub(super) sort: Option<Sort>,
    /// Elements to keep, of the beginning, or where negative of the end.
    pub(super) slice: Option<i64>,
}

/// `$sort` of `$push`.
#[derive(Debug, Clone)]
pub(super) enum Sort {
    Elements(Order),
    /// By fields of the elements; paths as their names.
    Fields(Vec<(Vec<String>, Order)>),
}

impl Push {
    pub(super) fn apply(&self, array: &mut Vec<Bson>) -> bool {
        if self.sort.is_none() && self.slice.is_none() {
            self.insert(array);
            return !self.values.is_empty();
        }
        let before = array.clone();
        self.insert(array);
        if let Some(sort) = &self.sort {
            sort.apply(array);
        }
        if let Some(slice) = self.slice {
            cut(array, slice);
        }
        !identical_arrays(&before, array)
    }

    fn insert(&self, array: &mut Vec<Bson>) {
        let at = match self.position {
            None => array.len(),
            Some(position) if position < 0 => array.len().saturating_sub(magnitude(position)),
            Some(position) => array.len().min(magnitude(position)),
        };
        array.splice(at..at, self.values.iter().cloned());
    }
}

fn magnitude(number: i64) -> usize {
    usize::try_from(number.unsigned_abs()).unwrap_or(usize::MAX)
}

fn cut(array: &mut Vec<Bson>, slice: i64) {
    if slice < 0 {
        array.drain(..array.len().saturating_sub(magnitude(slice)));
    } else {
        array.truncate(magnitude(slice));
    }
}

impl Sort {
    /// Equal elements keep their order.
    fn apply(&self, array: &mut [Bson]) {
        match self {
            Self::Elements(order) => array.sort_by(|left, right| directed(compare(left, right), *order)),
            Self::Fields(fields) => array.sort_by(|left, right| {
                fields.iter().fold(Ordering::Equal, |ordering, (path, order)| {
                    ordering.then_with(|| directed(compare(field(left, path), field(right, path)), *order))
                })
            }),
        }
    }
}

fn directed(ordering: Ordering, order: Order) -> Ordering {
    match order {
        Order::Ascending => ordering,
        Order::Descending => ordering.reverse(),
    }
}

/// What an element is sorted by; a missing field counts as null.
fn field<'a>(element: &'a Bson, path: &[String]) -> &'a Bson {
    let found = path.iter().try_fold(element, |value, name| match value {
        Bson::Document(document) => document.get(name),
        Bson::Array(array) => array.get(super::path::position(name)?),
        _ => None,
    });
    found.unwrap_or(&Bson::Null)
}

/// `$addToSet`: values that no element is equal to go to the end. Each stands with its key.
#[derive(Debug, Clone, Default)]
pub(super) struct AddToSet {
    values: Vec<(Vec<u8>, Bson)>,
}

impl AddToSet {
    /// Of values that are equal the first counts.
    pub(super) fn new(values: &[Bson]) -> Self {
        let mut seen = HashSet::new();
        let keyed = values.iter().map(|value| (key_of(value), value));
        let values = keyed
            .filter(|(key, _)| seen.insert(key.clone()))
            .map(|(key, value)| (key, value.clone()))
            .collect();
        Self { values }
    }

    pub(super) fn apply(&self, array: &mut Vec<Bson>) -> bool {
        let mut absent: HashSet<&[u8]> = self.values.iter().map(|(key, _)| key.as_slice()).collect();
        let mut key = Vec::new();
        for element in array.iter() {
            if absent.is_empty() {
                return false;
            }
            write_key(element, &mut key);
            absent.remove(key.as_slice());
        }
        let new = self.values.iter().filter(|(key, _)| absent.contains(key.as_slice()));
        array.extend(new.map(|(_, value)| value.clone()));
        !absent.is_empty()
    }
}

/// `$pop`.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    First,
    Last,
}

impl End {
    pub(super) fn remove_from(self, array: &mut Vec<Bson>) -> bool {
        match self {
            Self::Last => array.pop().is_some(),
            Self::First if array.is_empty() => false,
            Self::First => {
                array.remove(0);
                true
            }
        }
    }
}

/// Which elements `$pull` and `$pullAll` remove.
#[derive(Debug, Clone)]
pub(super) enum Pull {
    /// Those equal to one of some values, given by their keys.
    Equal(HashSet<Vec<u8>>),
    /// Those that a filter over `{element: …}` matches.
    Elements(Filter),
    /// Objects that a filter over their fields matches.
    Objects(Filter),
}

impl Pull {
    pub(super) fn apply(&self, array: &mut Vec<Bson>) -> Result<bool, EngineError> {
        let length = array.len();
        let mut key = Vec::new();
        let mut result = Ok(());
        array.retain(|element| match self.removes(element, &mut key) {
            Ok(removes) => !removes,
            Err(error) => {
                result = Err(error);
                true
            }
        });
        result.map(|()| array.len() != length)
    }

    fn removes(&self, element: &Bson, key: &mut Vec<u8>) -> Result<bool, EngineError> {
        match self {
            Self::Equal(keys) => {
                write_key(element, key);
                Ok(keys.contains(key))
            }
            Self::Elements(filter) => Ok(filter.matches(&wrapped(ELEMENT, element)?)),
            Self::Objects(filter) => match element {
                Bson::Document(document) => RawDocumentBuf::try_from(document)
                    .map(|document| filter.matches(&document))
                    .map_err(|error| super::invalid(error.to_string())),
                _ => Ok(false),
            },
        }
    }
}
