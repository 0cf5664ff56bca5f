//! Redaction of structured fields: by the value, and by the name of the field.

use super::{REDACTED, Redactor};
use serde_json::{Map, Value};

/// A field whose name ends so, with case, `-` and `_` left out, holds a secret.
const SECRET_NAMES: [&str; 15] = [
    "authorization",
    "cookie",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "jwt",
    "apikey",
    "privatekey",
    "accesskey",
    "sessionid",
    "credential",
    "credentials",
];
/// Deeper values are left out.
const DEPTH_MAX: usize = 32;

/// Reads the fields of a line and replaces secrets. What is no object becomes `{"value": …}`; what is no JSON
/// becomes a string there.
pub(crate) fn redact_fields(redactor: &Redactor, text: &str) -> String {
    let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
    let object = match value {
        Value::Object(object) => object,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    redact_value(redactor, Value::Object(object)).0.to_string()
}

/// Replaces secrets in a value; says whether there were any, or parts too deep to be kept.
pub(crate) fn redact_value(redactor: &Redactor, value: Value) -> (Value, bool) {
    let mut cleaner = Cleaner { redactor, has_changed: false };
    let value = cleaner.value(value, 0);
    (value, cleaner.has_changed)
}

struct Cleaner<'a> {
    redactor: &'a Redactor,
    has_changed: bool,
}

impl Cleaner<'_> {
    fn put(&mut self, text: &str) -> Value {
        self.has_changed = true;
        Value::from(text)
    }

    fn text(&mut self, text: &mut String) {
        if !self.redactor.is_empty() {
            let before = text.clone();
            self.redactor.redact(text);
            self.has_changed |= before != *text;
        }
    }

    fn object(&mut self, object: Map<String, Value>, depth: usize) -> Map<String, Value> {
        let clean = object.into_iter().map(|(mut name, value)| {
            let value = if is_secret(&name) { self.put(REDACTED) } else { self.value(value, depth + 1) };
            self.text(&mut name);
            (name, value)
        });
        clean.collect()
    }

    fn value(&mut self, value: Value, depth: usize) -> Value {
        match value {
            Value::Object(_) | Value::Array(_) if depth > DEPTH_MAX => self.put("[too deep]"),
            Value::Object(object) => Value::Object(self.object(object, depth)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.value(item, depth + 1)).collect())
            }
            Value::String(mut text) => {
                self.text(&mut text);
                Value::String(text)
            }
            Value::Number(number) => {
                let mut text = number.to_string();
                self.text(&mut text);
                if text == number.to_string() { Value::Number(number) } else { Value::String(text) }
            }
            Value::Null | Value::Bool(_) => value,
        }
    }
}

fn is_secret(name: &str) -> bool {
    let letters = name.chars().filter(|letter| !matches!(letter, '-' | '_' | ' ' | '.'));
    let name: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(text: &str) -> Value {
        let redactor = Redactor::new(vec!["s3cret-value".into(), "12345".into()]);
        serde_json::from_str(&redact_fields(&redactor, text)).unwrap()
    }

    #[test]
    fn fields_named_like_secrets_have_no_value() {
        let text = r#"{"headers": {"Authorization": "Bearer x", "Set-Cookie": ["a=b"], "accept": "*/*"},
                       "db_password": {"a": 1}, "apiKey": 7, "tokens": 12}"#;
        let expected = serde_json::json!({
            "headers": {"Authorization": REDACTED, "Set-Cookie": REDACTED, "accept": "*/*"},
            "db_password": REDACTED, "apiKey": REDACTED, "tokens": 12,
        });
        assert_eq!(cleaned(text), expected);
    }

    #[test]
    fn values_of_secrets_are_found_at_any_place() {
        let text = r#"{"list": ["x s3cret-value y"], "s3cret-value": 123456, "n": 1}"#;
        let expected = serde_json::json!({"list": ["x [redacted] y"], "[redacted]": "[redacted]6", "n": 1});
        assert_eq!(cleaned(text), expected);
    }

    #[test]
    fn what_is_no_object_is_kept_as_a_value() {
        assert_eq!(cleaned("[1]"), serde_json::json!({"value": [1]}));
        assert_eq!(cleaned("not json s3cret-value"), serde_json::json!({"value": "not json [redacted]"}));
        let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
        assert!(cleaned(&deep).to_string().contains("too deep"));
    }
}
