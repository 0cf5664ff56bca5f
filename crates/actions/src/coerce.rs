//! From texts of paths, queries, headers, cookies and forms to the types that a schema asks for. What does not fit stays
//! a text, so that the check names the place.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// Schemas inside each other that are looked into.
const DEPTH_MAX: usize = 8;
/// The largest integer that JavaScript tells from its neighbours.
const EXACT_MAX: f64 = 9_007_199_254_740_991.0;

/// Which types one field takes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Coercion {
    /// Any text.
    string: bool,
    number: bool,
    integer: bool,
    boolean: bool,
    null: bool,
    /// Texts that it names.
    constants: Vec<String>,
    /// What the elements of a list are.
    items: Option<Box<Self>>,
    /// It names no type.
    is_any: bool,
}

impl Coercion {
    /// Leaves texts as they are.
    pub(crate) fn any() -> Self {
        Self { is_any: true, ..Self::default() }
    }

    /// Takes what a JSON Schema takes, too; nothing in it makes this fail.
    pub(crate) fn add(&mut self, schema: &Value, depth: usize) {
        let Some(fields) = schema.as_object().filter(|_| depth < DEPTH_MAX) else {
            self.is_any = true;
            return;
        };
        if let Some(constant) = fields.get("const") {
            return self.constant(constant);
        }
        let constants = fields.get("enum").and_then(Value::as_array);
        let variants = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| fields.get(*name)?.as_array());
        match (constants, variants) {
            (Some(constants), _) => constants.iter().for_each(|constant| self.constant(constant)),
            (None, Some(variants)) => variants.iter().for_each(|variant| self.add(variant, depth + 1)),
            (None, None) => self.named(fields, depth),
        }
    }

    fn named(&mut self, fields: &Map<String, Value>, depth: usize) {
        match fields.get("type").and_then(Value::as_str) {
            Some("number") => self.number = true,
            Some("integer") => self.integer = true,
            Some("boolean") => self.boolean = true,
            Some("null") => self.null = true,
            Some("array") => {
                let items = self.items.get_or_insert_default();
                match fields.get("items") {
                    Some(Value::Array(each)) => each.iter().for_each(|item| items.add(item, depth + 1)),
                    Some(item) => items.add(item, depth + 1),
                    None => items.is_any = true,
                }
            }
            Some("object") => {}
            Some(_) => self.string = true,
            None => self.is_any = true,
        }
    }

    fn constant(&mut self, constant: &Value) {
        match constant {
            Value::String(text) => self.constants.push(text.clone()),
            Value::Number(_) => self.number = true,
            Value::Bool(_) => self.boolean = true,
            Value::Null => self.null = true,
            _ => {}
        }
    }

    /// Of all values that came under one name: several, or one that is split at commas, make a list.
    pub(crate) fn value(&self, texts: &[Cow<'_, str>]) -> Value {
        match (texts, &self.items) {
            ([one], None) => self.one(one),
            ([one], Some(items)) if self.takes_text() => {
                // A text is meant unless it can only be a list.
                if one.contains(',') && !self.string { items.list(one.split(',')) } else { self.one(one) }
            }
            ([one], Some(_)) if one.is_empty() => Value::Array(Vec::new()),
            ([one], Some(items)) => items.list(one.split(',')),
            (several, Some(items)) => items.list(several.iter().map(|text| &**text)),
            // The check says that there is a list.
            (several, None) => self.list(several.iter().map(|text| &**text)),
        }
    }

    fn list<'a>(&self, texts: impl Iterator<Item = &'a str>) -> Value {
        texts.map(|text| self.one(text)).collect()
    }

    fn takes_text(&self) -> bool {
        self.string
            || self.is_any
            || self.number
            || self.integer
            || self.boolean
            || !self.constants.is_empty()
    }

    fn one(&self, text: &str) -> Value {
        let is_text = self.string || self.is_any || self.constants.iter().any(|constant| constant == text);
        let read = || {
            let number = self.number.then(|| number(text)).flatten();
            let integer = || self.integer.then(|| number_of(text).and_then(whole)).flatten();
            let boolean = || self.boolean.then(|| boolean(text)).flatten();
            let null = || (self.null && matches!(text, "null" | "")).then_some(Value::Null);
            number.or_else(integer).or_else(boolean).or_else(null)
        };
        if is_text { Value::from(text) } else { read().unwrap_or_else(|| Value::from(text)) }
    }
}

fn number(text: &str) -> Option<Value> {
    let number = number_of(text)?;
    whole(number).or_else(|| serde_json::Number::from_f64(number).map(Value::Number))
}

/// Decimal, with sign, fraction and exponent; no `Infinity`, no `NaN`.
fn number_of(text: &str) -> Option<f64> {
    let is_decimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let number: f64 = text.parse().ok().filter(|_| has_digit && text.bytes().all(is_decimal))?;
    number.is_finite().then_some(number)
}

fn whole(number: f64) -> Option<Value> {
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then(|| Value::from(number as i64))
}

fn boolean(text: &str) -> Option<Value> {
    match text {
        "true" | "1" => Some(Value::Bool(true)),
        "false" | "0" => Some(Value::Bool(false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(schema: &Value, texts: &[&str]) -> Value {
        let texts: Vec<Cow<'_, str>> = texts.iter().map(|text| Cow::Borrowed(*text)).collect();
        let mut coercion = Coercion::default();
        coercion.add(schema, 0);
        coercion.value(&texts)
    }

    #[test]
    fn texts_become_what_the_schema_asks_for_or_stay_texts() {
        let cases = [
            (json!({"type": "number"}), "1.5", json!(1.5)),
            (json!({"type": "number"}), "-2e3", json!(-2000)),
            (json!({"type": "number"}), "Infinity", json!("Infinity")),
            (json!({"type": "number"}), "0x10", json!("0x10")),
            (json!({"type": "number"}), "", json!("")),
            (json!({"type": "integer"}), "7", json!(7)),
            (json!({"type": "integer"}), "7.0", json!(7)),
            (json!({"type": "integer"}), "7.5", json!("7.5")),
            (json!({"type": "integer"}), "9007199254740993", json!("9007199254740993")),
            (json!({"type": "boolean"}), "0", json!(false)),
            (json!({"type": "boolean"}), "yes", json!("yes")),
            (json!({"type": "string"}), "5", json!("5")),
            (json!({"anyOf": [{"type": "number"}, {"type": "null"}]}), "null", json!(null)),
            (json!({"anyOf": [{"const": "all"}, {"type": "number"}]}), "5", json!(5)),
            (json!({"anyOf": [{"const": "5"}, {"type": "number"}]}), "5", json!("5")),
            (json!({"anyOf": [{"type": "string"}, {"type": "number"}]}), "5", json!("5")),
            (json!({}), "5", json!("5")),
        ];
        for (schema, text, expected) in cases {
            assert_eq!(read(&schema, &[text]), expected, "{schema} {text}");
        }
    }

    #[test]
    fn lists_come_of_repeated_names_or_commas() {
        let numbers = json!({"type": "array", "items": {"type": "integer"}});
        assert_eq!(read(&numbers, &["1,2,x"]), json!([1, 2, "x"]));
        assert_eq!(read(&numbers, &["1", "2,3"]), json!([1, "2,3"]));
        assert_eq!(read(&numbers, &[""]), json!([]));
        assert_eq!(read(&json!({"type": "integer"}), &["1", "2"]), json!([1, 2]));
        let either = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
        assert_eq!(read(&either, &["a,b"]), json!("a,b"));
        assert_eq!(read(&either, &["a", "b"]), json!(["a", "b"]));
    }
}
