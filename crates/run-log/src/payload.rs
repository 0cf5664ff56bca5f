//! Inputs and outputs of runs: taken as they are, kept without secrets and up to a size.

use crate::redact::{Redactor, SecretFields, redact_value};
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;

/// Bytes of an input or an output that are kept; the rest is cut, and the cut is marked.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 8 << 10;
/// A larger one is not looked at, and with that not kept: secrets are found in what is whole only.
const LOOKED_AT_BYTES_MAX: usize = 64 << 10;

const REDACTED_BIT: i64 = 1;
const TRUNCATED_BIT: i64 = 2;

/// An input or an output as it is recorded. It may hold secrets: it can neither be printed nor serialized.
#[derive(Clone)]
pub struct Payload {
    /// JSON; `Err` has the bytes of one that is too large.
    json: Result<Bytes, usize>,
    /// It is the answer of an action: what stands in its `data` is meant.
    is_answer: bool,
    secrets: Option<Arc<SecretFields>>,
}

impl Payload {
    /// Takes JSON whose secrets are those of its schema.
    pub fn of(json: &Bytes, secrets: Option<&Arc<SecretFields>>) -> Self {
        let json = if json.len() > LOOKED_AT_BYTES_MAX { Err(json.len()) } else { Ok(json.clone()) };
        Self { json, is_answer: false, secrets: secrets.cloned() }
    }

    /// Takes the answer of an action: `{data}`, or JSON of another shape as a whole.
    pub fn of_answer(json: &Bytes, secrets: Option<&Arc<SecretFields>>) -> Self {
        Self { is_answer: true, ..Self::of(json, secrets) }
    }

    /// Holds bytes of its own from here on: those that it came with are part of what a connection has read.
    pub(crate) fn own(&mut self) {
        if let Ok(json) = &mut self.json {
            *json = Bytes::copy_from_slice(json);
        }
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.json.as_ref().map_or(0, |json| json.len())
    }

    /// As it is kept. What is no JSON is not.
    pub(crate) fn kept(self, redactor: &Redactor) -> KeptPayload {
        let Self { json, is_answer, secrets } = self;
        let not_kept = |bytes: usize| KeptPayload {
            text: format!("[{bytes} bytes]"),
            is_redacted: false,
            is_truncated: true,
        };
        let json = match json {
            Ok(json) => json,
            Err(bytes) => return not_kept(bytes),
        };
        let Ok(mut value) = serde_json::from_slice::<Value>(&json) else { return not_kept(json.len()) };
        if let Some(data) = value.get_mut("data").filter(|_| is_answer) {
            value = data.take();
        }
        let by_schema = secrets.is_some_and(|secrets| secrets.redact(&mut value));
        let (value, by_name) = redact_value(redactor, value);
        let mut text = value.to_string();
        let is_truncated = text.len() > PAYLOAD_BYTES_MAX;
        if is_truncated {
            let bytes = text.len();
            text.truncate(text.floor_char_boundary(PAYLOAD_BYTES_MAX));
            text.push_str(&format!("… [{} bytes cut]", bytes - text.len()));
        }
        KeptPayload { text, is_redacted: by_schema || by_name, is_truncated }
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Payload").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// An input or an output as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPayload {
    /// JSON, or the beginning of it where it was truncated.
    pub text: String,
    /// Secrets were replaced.
    pub is_redacted: bool,
    /// There was more.
    pub is_truncated: bool,
}

impl KeptPayload {
    /// The value; the text of what was truncated.
    pub fn value(&self) -> Value {
        let whole = (!self.is_truncated).then(|| serde_json::from_str(&self.text).ok()).flatten();
        whole.unwrap_or_else(|| Value::from(self.text.as_str()))
    }

    pub(crate) fn of(text: String, state: i64) -> Self {
        Self { text, is_redacted: state & REDACTED_BIT != 0, is_truncated: state & TRUNCATED_BIT != 0 }
    }

    pub(crate) fn state(&self) -> i64 {
        i64::from(self.is_redacted) * REDACTED_BIT + i64::from(self.is_truncated) * TRUNCATED_BIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(value: &Value, secrets: Option<&Arc<SecretFields>>) -> KeptPayload {
        let redactor = Redactor::new(vec!["s3cret-value".into()]);
        Payload::of(&value.to_string().into(), secrets).kept(&redactor)
    }

    #[test]
    fn secrets_go_by_schema_by_name_and_by_value() {
        let schema = json!({"properties": {"pin": {"format": "password"}}});
        let fields = SecretFields::of(schema.as_object().unwrap()).map(Arc::new);
        let value = json!({"pin": "1234", "newPassword": "a", "api_key": "b", "API-KEY": "c", "session_token": "d",
            "headers": {"Cookie": "e", "authorization": "f"}, "note": "with s3cret-value in it", "rest": [1]});
        let found = kept(&value, fields.as_ref());
        let gone = "[redacted]";
        let expected = json!({"pin": gone, "newPassword": gone, "api_key": gone, "API-KEY": gone,
            "session_token": gone, "headers": {"Cookie": gone, "authorization": gone},
            "note": "with [redacted] in it", "rest": [1]});
        assert_eq!((found.value(), found.is_redacted, found.is_truncated), (expected, true, false));
        let plain = kept(&json!({"title": "x"}), None);
        assert_eq!((plain.value(), plain.is_redacted), (json!({"title": "x"}), false));
        assert_eq!(KeptPayload::of(found.text.clone(), found.state()), found);
    }

    #[test]
    fn what_is_long_is_cut_after_secrets_were_replaced() {
        let found = kept(&json!({"text": "ä".repeat(10_000), "password": "x"}), None);
        assert!(found.is_truncated && found.text.len() < PAYLOAD_BYTES_MAX + 64);
        assert!(found.value().as_str().unwrap().ends_with("bytes cut]"));
        let huge = kept(&json!({ "password": "p".repeat(LOOKED_AT_BYTES_MAX) }), None);
        assert!(huge.is_truncated && !huge.text.contains("ppp"));
    }
}
