//! Values while an expression is evaluated: borrowed from the document or the expression where that can be.

use crate::value::{Number, number};
use bson::{RawBson, RawBsonRef};

/// A value; `Undefined` is a missing one, which comes before null.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Borrowed(RawBsonRef<'a>),
    Owned(RawBson),
}

impl Value<'_> {
    /// A missing value.
    pub(crate) const MISSING: Value<'static> = Value::Borrowed(RawBsonRef::Undefined);
    pub(super) const NULL: Value<'static> = Value::Borrowed(RawBsonRef::Null);

    /// The value as BSON.
    pub(crate) fn as_ref(&self) -> RawBsonRef<'_> {
        match self {
            Self::Borrowed(value) => *value,
            Self::Owned(value) => value.as_raw_bson_ref(),
        }
    }

    /// Whether it is null or missing.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.as_ref(), RawBsonRef::Null | RawBsonRef::Undefined)
    }

    /// What counts as true: everything but false, zero, null and what is missing.
    pub(crate) fn is_true(&self) -> bool {
        match self.as_ref() {
            RawBsonRef::Boolean(truth) => truth,
            value => match number(value) {
                Some(number) => number.whole() != Some(0),
                None => !self.is_nothing(),
            },
        }
    }

    /// The number in it.
    pub(super) fn number(&self) -> Option<Number> {
        number(self.as_ref())
    }

    /// The whole number in it.
    pub(super) fn whole(&self) -> Option<i64> {
        self.number()?.whole()
    }

    /// Bytes that were allocated for it.
    pub(super) fn owned_bytes(&self) -> usize {
        match self {
            Self::Borrowed(_) => 0,
            Self::Owned(RawBson::String(text)) => text.len(),
            Self::Owned(RawBson::Array(array)) => array.as_bytes().len(),
            Self::Owned(RawBson::Document(document)) => document.as_bytes().len(),
            Self::Owned(_) => 16,
        }
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Borrowed(RawBsonRef::Boolean(value))
    }
}

impl From<i32> for Value<'_> {
    fn from(value: i32) -> Self {
        Value::Borrowed(RawBsonRef::Int32(value))
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Borrowed(RawBsonRef::Int64(value))
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Borrowed(RawBsonRef::Double(value))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Value::Owned(RawBson::String(value))
    }
}
