//! JSON as CEL values.

use cel::Value;
use cel::objects::{Key, Map};
use serde_json::Value as Json;
use std::sync::Arc;

/// A map with these fields.
pub(crate) fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (Key::String(Arc::new(name.to_owned())), value));
    Value::Map(Map { map: Arc::new(fields.collect()) })
}

/// A text.
pub(crate) fn text(text: &str) -> Value {
    Value::String(Arc::new(text.to_owned()))
}

/// A JSON value; numbers without a fraction are integers.
pub(crate) fn json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(boolean) => Value::Bool(*boolean),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Int)
        }
        Json::String(string) => text(string),
        Json::Array(array) => Value::List(Arc::new(array.iter().map(json).collect())),
        Json::Object(fields) => map(fields.iter().map(|(name, value)| (name.as_str(), json(value)))),
    }
}
