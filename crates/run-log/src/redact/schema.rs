//! Redaction by schema: what a JSON Schema marks with `format: "password"`, `writeOnly: true` or `x-secret: true`.

use super::REDACTED;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Schemas inside each other that are looked at.
const DEPTH_MAX: usize = 16;

/// Where the values that a schema describes have secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretFields {
    /// The whole value is one.
    is_secret: bool,
    by_name: BTreeMap<String, Self>,
    /// Of properties that have no name in the schema.
    others: Option<Box<Self>>,
    /// Of every item of an array.
    items: Option<Box<Self>>,
}

impl SecretFields {
    /// Those of a schema; `None` where it marks none.
    pub fn of(schema: &Map<String, Value>) -> Option<Self> {
        let mut found = Self::default();
        found.read(schema, 0);
        (found != Self::default()).then_some(found)
    }

    fn read(&mut self, schema: &Map<String, Value>, depth: usize) {
        let says = |name: &str| schema.get(name) == Some(&Value::Bool(true));
        self.is_secret |=
            says("writeOnly") || says("x-secret") || schema.get("format") == Some(&"password".into());
        if depth > DEPTH_MAX {
            return;
        }
        for (name, schema) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if let Some(of_property) = Self::inside(schema, depth) {
                self.by_name.entry(name.clone()).or_default().add(of_property);
            }
        }
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        for schema in
            schema.get("additionalProperties").into_iter().chain(patterns.into_iter().flat_map(Map::values))
        {
            if let Some(of_others) = Self::inside(schema, depth) {
                self.others.get_or_insert_default().add(of_others);
            }
        }
        for schema in ["items", "prefixItems"].into_iter().filter_map(|name| schema.get(name)).flat_map(each)
        {
            if let Some(of_items) = Self::inside(schema, depth) {
                self.items.get_or_insert_default().add(of_items);
            }
        }
        // A value that may be this is treated as this.
        for schema in
            ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|name| schema.get(name)).flat_map(each)
        {
            if let Some(schema) = schema.as_object() {
                self.read(schema, depth + 1);
            }
        }
    }

    fn inside(schema: &Value, depth: usize) -> Option<Self> {
        let mut found = Self::default();
        found.read(schema.as_object()?, depth + 1);
        (found != Self::default()).then_some(found)
    }

    fn add(&mut self, other: Self) {
        self.is_secret |= other.is_secret;
        for (name, of_property) in other.by_name {
            self.by_name.entry(name).or_default().add(of_property);
        }
        if let Some(others) = other.others {
            self.others.get_or_insert_default().add(*others);
        }
        if let Some(items) = other.items {
            self.items.get_or_insert_default().add(*items);
        }
    }

    /// Replaces them in a value; says whether there were any.
    pub(crate) fn redact(&self, value: &mut Value) -> bool {
        if self.is_secret && !value.is_null() {
            *value = Value::from(REDACTED);
            return true;
        }
        match value {
            Value::Object(object) => object.iter_mut().fold(false, |found, (name, value)| {
                let of_property = self.by_name.get(name).or(self.others.as_deref());
                of_property.is_some_and(|known| known.redact(value)) | found
            }),
            Value::Array(items) => {
                let Some(of_items) = &self.items else { return false };
                items.iter_mut().fold(false, |found, item| of_items.redact(item) | found)
            }
            _ => false,
        }
    }
}

/// A schema, or each of a list of them.
fn each(schemas: &Value) -> &[Value] {
    schemas.as_array().map_or(std::slice::from_ref(schemas), Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redacted(schema: &Value, mut value: Value) -> Value {
        if let Some(fields) = SecretFields::of(schema.as_object().unwrap()) {
            fields.redact(&mut value);
        }
        value
    }

    #[test]
    fn what_the_schema_marks_is_replaced_wherever_it_stands() {
        let schema = json!({"type": "object", "properties": {
            "pin": {"type": "string", "format": "password"},
            "cards": {"type": "array", "items": {"type": "object", "properties": {
                "number": {"type": "string", "x-secret": true}, "name": {"type": "string"}}}},
            "either": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"key": {"writeOnly": true}}}]},
            "map": {"type": "object", "patternProperties": {"^.*$": {"type": "string", "x-secret": true}}},
            "open": {"type": "string", "x-secret": false},
        }});
        let value = json!({"pin": "1234", "cards": [{"number": "4111", "name": "Ada"}, {"number": 7}],
            "either": {"key": [1], "rest": 2}, "map": {"a": "b"}, "open": "x", "absent": null});
        let expected = json!({"pin": REDACTED, "cards": [{"number": REDACTED, "name": "Ada"}, {"number": REDACTED}],
            "either": {"key": REDACTED, "rest": 2}, "map": {"a": REDACTED}, "open": "x", "absent": null});
        assert_eq!(redacted(&schema, value), expected);
    }

    #[test]
    fn a_schema_without_marks_has_no_secrets() {
        let schema = json!({"type": "object", "properties": {"title": {"type": "string", "minLength": 1}}});
        assert_eq!(SecretFields::of(schema.as_object().unwrap()), None);
        assert_eq!(redacted(&json!({"x-secret": true}), json!({"a": 1})), json!(REDACTED));
    }
}
