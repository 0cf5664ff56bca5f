//! BSON as CEL values. Documents are converted only where the rule names them.

use crate::engine::RuleAuth;
use bson::{RawBsonRef, RawDocument};
use cel::objects::{Key, Map};
use cel::{Program, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Which of the variables a rule names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needed {
    request: bool,
    resource: bool,
}

impl Needed {
    /// Those of a program.
    pub(super) fn of(program: &Program) -> Self {
        let references = program.references();
        Self { request: references.has_variable("request"), resource: references.has_variable("resource") }
    }

    /// Whether the document as it is matters.
    pub(super) fn resource(self) -> bool {
        self.resource
    }
}

fn map(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (key(name), value)).collect();
    Value::Map(Map { map: Arc::new(fields) })
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

/// `request`.
pub(super) fn request(
    auth: &RuleAuth,
    method: &'static str,
    new: Option<&RawDocument>,
    needed: Needed,
) -> Value {
    if !needed.request {
        return Value::Null;
    }
    let auth_value = auth.uid.as_deref().map_or(Value::Null, |uid| {
        let claims = bson::RawDocumentBuf::try_from(&auth.claims);
        let claims = claims.map_or(Value::Null, |claims| document(&claims));
        map([("uid", text(uid)), ("claims", claims)])
    });
    let resource = new.map_or(Value::Null, |new| map([("data", document(new))]));
    map([("auth", auth_value), ("method", text(method)), ("resource", resource)])
}

/// `resource`.
pub(super) fn resource(present: Option<&RawDocument>, needed: Needed) -> Value {
    match present {
        Some(present) if needed.resource => map([("data", document(present))]),
        _ => Value::Null,
    }
}

fn document(document: &RawDocument) -> Value {
    let fields: HashMap<Key, Value> =
        document.iter().flatten().map(|(name, field)| (key(name.as_str()), value(field))).collect();
    Value::Map(Map { map: Arc::new(fields) })
}

fn value(value: RawBsonRef<'_>) -> Value {
    match value {
        RawBsonRef::Double(double) => Value::Float(double),
        RawBsonRef::Int32(integer) => Value::Int(i64::from(integer)),
        RawBsonRef::Int64(integer) => Value::Int(integer),
        RawBsonRef::Decimal128(decimal) => Value::Float(crate::value::decimal_to_double(decimal)),
        RawBsonRef::String(string) | RawBsonRef::Symbol(string) => text(string),
        RawBsonRef::Boolean(boolean) => Value::Bool(boolean),
        RawBsonRef::DateTime(date) => Value::Int(date.timestamp_millis()),
        RawBsonRef::ObjectId(id) => text(&id.to_hex()),
        RawBsonRef::Binary(binary) => Value::Bytes(Arc::new(binary.bytes.to_vec())),
        RawBsonRef::Document(inner) => document(inner),
        RawBsonRef::Array(array) => {
            Value::List(Arc::new(array.into_iter().flatten().map(self::value).collect()))
        }
        _ => Value::Null,
    }
}
