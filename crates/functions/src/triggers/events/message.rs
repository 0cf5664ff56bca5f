//! What an event is as the body of a request.

use crate::manifest::{DocumentTrigger, Operation};
use crate::triggers::filter;
use crate::triggers::names::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bundoc::Matcher;
use bytes::Bytes;
use ports::events::Event;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use service_kit::clock::rfc3339;
use service_kit::ids::JobId;
use std::time::UNIX_EPOCH;

/// A body, and what names the event for good.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: Bytes,
}

/// A change of a document as the bus has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    collection: String,
    doc_id: Option<String>,
    r#type: String,
    id: String,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
    #[serde(default)]
    document_omitted: bool,
}

/// `{type, id, topic, payload, published_at, offset}` of an event that passes. What is not JSON stands in
/// `payload_base64`; where the whole is larger than `bytes_max`, `payload_omitted` is true.
pub(super) fn event(event: &Event, filter: Option<&Matcher>, bytes_max: usize) -> Option<Message> {
    if !filter::passes(filter, &event.payload) {
        return None;
    }
    let since = event.published_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let published_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let id = match event.offset {
        // With the time, because a topic that is removed and declared again counts from 0.
        Some(offset) => digest(&[event.topic.as_str(), &offset.to_string(), &published_ms.to_string()]),
        None => JobId::generate().as_str().trim_start_matches("job_").to_owned(),
    };
    let head = json!({
        "type": "event",
        "id": id,
        "topic": event.topic.as_str(),
        "published_at": rfc3339(published_ms),
        "offset": event.offset,
    });
    let body = match serde_json::from_slice::<&RawValue>(&event.payload) {
        Ok(payload) => with(&head, ("payload", Some(payload.get())), bytes_max),
        Err(_) => {
            let payload = json!(STANDARD.encode(&event.payload)).to_string();
            with(&head, ("payload_base64", Some(&payload)), bytes_max)
        }
    };
    Some(Message { id, body })
}

/// `{type, id, collection, operation, docId, document}` of a change that is meant; `document` is null where it
/// was deleted, and where `document_omitted` says that it is too large.
pub(super) fn change(
    event: &Event,
    trigger: &DocumentTrigger,
    (filter, bytes_max): (Option<&Matcher>, usize),
) -> Option<Message> {
    let change: Change<'_> = serde_json::from_slice(&event.payload).ok()?;
    let operation = match change.r#type.as_str() {
        "added" => Operation::Created,
        "modified" => Operation::Updated,
        "removed" => Operation::Deleted,
        _ => return None,
    };
    // What cannot be looked at is told rather than left out.
    let passes = change.document_omitted
        || filter::passes(filter, change.document.map_or("null", RawValue::get).as_bytes());
    if !trigger.operations.contains(&operation) || !passes {
        return None;
    }
    let mut head = json!({
        "type": "document",
        "id": change.id,
        "collection": change.collection,
        "operation": operation,
        "docId": change.doc_id,
    });
    if change.document_omitted {
        head["document_omitted"] = true.into();
    }
    let body = with(&head, ("document", change.document.map(RawValue::get)), bytes_max);
    Some(Message { id: change.id, body })
}

/// The object with one more field, which is JSON already and may be large.
fn with(head: &Value, (name, json): (&str, Option<&str>), bytes_max: usize) -> Bytes {
    let mut text = head.to_string();
    text.pop();
    let json = json.unwrap_or("null");
    let field = name.len() + ",\"\":}".len();
    if text.len() + field + json.len() <= bytes_max {
        text.push_str(&format!(",\"{name}\":{json}}}"));
        return text.into();
    }
    let mut fields = Map::new();
    fields.extend(head.as_object().cloned().unwrap_or_default());
    fields.insert(name.trim_end_matches("_base64").to_owned(), Value::Null);
    fields.insert(format!("{}_omitted", name.trim_end_matches("_base64")), true.into());
    Value::Object(fields).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triggers::filter::parse;
    use ports::events::Topic;
    use std::time::Duration;

    const LARGE: usize = 1 << 20;

    fn published(topic: &str, payload: &str, offset: Option<u64>) -> Event {
        Event {
            topic: Topic::parse(topic).unwrap(),
            payload: payload.to_owned().into(),
            offset,
            published_at: UNIX_EPOCH + Duration::from_secs(1),
        }
    }

    fn read(message: &Message) -> Value {
        serde_json::from_slice(&message.body).unwrap()
    }

    #[test]
    fn an_event_has_the_same_name_whenever_it_is_read() {
        let one = published("a", "{\"n\": 1}", Some(4));
        let message = event(&one, None, LARGE).unwrap();
        assert_eq!(event(&one, None, LARGE), Some(Message { ..message }));
        let body = read(&event(&one, None, LARGE).unwrap());
        assert_eq!(
            (&body["payload"]["n"], &body["offset"], &body["topic"]),
            (&json!(1), &json!(4), &json!("a"))
        );
        assert_eq!(body["published_at"], "1970-01-01T00:00:01Z");
    }

    #[test]
    fn bytes_are_encoded_and_what_is_too_large_is_left_out() {
        let body = read(&event(&published("a", "not json", None), None, LARGE).unwrap());
        assert_eq!(body["payload_base64"], "bm90IGpzb24=");
        let long = format!("\"{}\"", "x".repeat(500));
        let body = read(&event(&published("a", &long, Some(1)), None, 400).unwrap());
        assert_eq!((&body["payload"], &body["payload_omitted"]), (&Value::Null, &json!(true)));
    }

    #[test]
    fn a_change_is_told_by_operation_and_filter() {
        let trigger = |operations: &[&str]| -> DocumentTrigger {
            serde_json::from_value(json!({ "collection": "c", "operations": operations })).unwrap()
        };
        let payload = |kind: &str, document: Value| {
            let change =
                json!({ "collection": "c", "docId": "x", "type": kind, "id": "e-1-0", "document": document });
            published("db.c", &change.to_string(), Some(0))
        };
        let added = payload("added", json!({ "n": 12 }));
        let message = change(&added, &trigger(&["created"]), (None, LARGE)).unwrap();
        assert_eq!(message.id, "e-1-0");
        let wanted = json!({
            "type": "document", "id": "e-1-0", "collection": "c", "operation": "created", "docId": "x",
            "document": { "n": 12 },
        });
        assert_eq!(read(&message), wanted);
        assert_eq!(change(&added, &trigger(&["deleted"]), (None, LARGE)), None);
        let small = parse(json!({ "n": { "$lt": 5 } }).as_object().unwrap()).unwrap();
        assert_eq!(change(&added, &trigger(&["created"]), (Some(&small), LARGE)), None);
        let removed = payload("removed", Value::Null);
        assert!(change(&removed, &trigger(&["deleted"]), (None, LARGE)).is_some());
        assert_eq!(change(&payload("dropped", Value::Null), &trigger(&["deleted"]), (None, LARGE)), None);
    }
}
