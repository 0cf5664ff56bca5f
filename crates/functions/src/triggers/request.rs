//! The request that a job is for its function: `POST /`, with what started it in headers and body.

use super::names::Source;
use super::run::Target;
use crate::front::body_of;
use crate::front::of_triggers::{ATTEMPT, HANDLER, TRIGGER};
use actions::EventContext;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jobs::Job;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use service_kit::clock::rfc3339;
use std::sync::Arc;
use worker_pool::{CalledHandler, InvokeRequest, RequestBody};

const URL: &str = "http://localhost/";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The attribute of a cron job that holds its expression.
pub(super) const SCHEDULE: &str = "schedule";

/// The request of one attempt; an error says why there can be none.
pub(super) fn build(job: &Job, target: &Target, invocation_id: Arc<str>) -> Result<InvokeRequest, String> {
    Ok(InvokeRequest {
        invocation_id,
        // The executor knows its place.
        handler: CalledHandler::default(),
        method: Method::POST,
        url: URL.to_owned(),
        headers: headers(job, target)?,
        body: body_of(body(job, target.source)),
        deadline: None,
    })
}

fn headers(job: &Job, target: &Target) -> Result<HeaderMap, String> {
    let text = |value: &str| HeaderValue::from_bytes(value.as_bytes()).map_err(|error| error.to_string());
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(TRIGGER, HeaderValue::from_static(target.source.map_or("queue", Source::as_str)));
    headers.insert(ATTEMPT, HeaderValue::from(job.attempt));
    headers.insert(HANDLER, text(&target.handler)?);
    headers.insert(IDEMPOTENCY_KEY, text(idempotency_key(job, target.source))?);
    Ok(headers)
}

/// The same for each attempt, and where an event is read again. The unique key of a job of the project is none:
/// once its job has ended another one may have it.
fn idempotency_key(job: &Job, source: Option<Source>) -> &str {
    match source {
        Some(Source::Event | Source::Document) => job.idempotency_key(),
        Some(Source::Cron) | None => job.id.as_str(),
    }
}

fn body(job: &Job, source: Option<Source>) -> Bytes {
    match source {
        // What was read is the body already.
        Some(Source::Event | Source::Document) => job.spec.payload.clone(),
        Some(Source::Cron) => with_payload(&cron(job), &job.spec.payload),
        None => with_payload(&queued(job), &job.spec.payload),
    }
}

/// What an event is, besides its payload.
#[derive(Deserialize)]
struct Envelope<'a> {
    id: String,
    #[serde(default)]
    topic: String,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

/// The payload alone, as an action is given it: that of an event, the whole change of a document.
pub(super) fn payload(job: &Job, source: Option<Source>) -> RequestBody {
    let payload = &job.spec.payload;
    body_of(match source {
        Some(Source::Event) => {
            let envelope = serde_json::from_slice::<Envelope<'_>>(payload).ok();
            let inner = envelope.and_then(|envelope| envelope.payload).map(RawValue::get);
            inner.map_or_else(|| payload.clone(), |text| Bytes::copy_from_slice(text.as_bytes()))
        }
        Some(Source::Cron) if payload.is_empty() || **payload == *b"null" => Bytes::from_static(b"{}"),
        _ => payload.clone(),
    })
}

/// Id and topic of the event that a job is about.
pub(super) fn event(job: &Job, source: Option<Source>) -> Option<EventContext> {
    if !matches!(source, Some(Source::Event | Source::Document)) {
        return None;
    }
    let Envelope { id, topic, .. } = serde_json::from_slice(&job.spec.payload).ok()?;
    Some(EventContext { id, topic })
}

fn cron(job: &Job) -> Value {
    let run = job.scheduled.as_ref();
    json!({
        "type": "cron",
        "name": run.map(|run| run.schedule.as_str()),
        "schedule": job.spec.options.attributes.get(SCHEDULE),
        "scheduled_at": rfc3339(run.map_or(job.created_at_ms, |run| run.planned_at_ms)),
    })
}

fn queued(job: &Job) -> Value {
    json!({
        "type": "queue",
        "queue": job.spec.queue.as_str(),
        "job_id": job.id.as_str(),
        "attempt": job.attempt,
    })
}

/// Adds the payload, which is JSON, to an object.
fn with_payload(head: &Value, payload: &[u8]) -> Bytes {
    let mut text = head.to_string().into_bytes();
    text.pop();
    text.extend_from_slice(b",\"payload\":");
    text.extend_from_slice(if payload.is_empty() { b"null" } else { payload });
    text.push(b'}');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_stands_in_the_body_as_it_is() {
        let body = with_payload(&json!({ "type": "queue" }), br#"{"n": 12345678901234567890}"#);
        assert_eq!(&body[..], br#"{"type":"queue","payload":{"n": 12345678901234567890}}"#);
        assert_eq!(&with_payload(&json!({ "a": 1 }), b"")[..], br#"{"a":1,"payload":null}"#);
    }
}
