//! The durable topics of a project, over the project's own routes: which there are, and where their logs end.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use ports::access::{Caller, Grant};
use ports::events::Topic;
use ports::project_api::ProjectApi;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use service_kit::ids::ProjectId;
use std::fmt::Write as _;
use std::sync::Arc;

const PAGE: usize = 1_000;

/// The topics could not be asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum TopicsError {
    /// They are not served, or a limit of the project is reached.
    #[error("the topics of the project answered {status}: {body}")]
    Refused { status: StatusCode, body: String },
    /// The answer is not understood.
    #[error("the answer about topics cannot be read")]
    Unreadable(#[from] serde_json::Error),
    /// The topic cannot stand in a path.
    #[error("the request about topics is not valid")]
    Request(#[from] http::Error),
}

/// Asks for topics.
#[derive(Clone)]
pub(super) struct Topics(pub(super) Arc<dyn ProjectApi>);

/// A topic that keeps a log, and how long.
pub(super) struct Durable {
    pub(super) topic: Topic,
    pub(super) retention: Option<Value>,
}

#[derive(Deserialize)]
struct Page {
    topics: Vec<View>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct View {
    topic: String,
    durable: bool,
    retention: Option<Value>,
    log: Option<Log>,
}

#[derive(Deserialize)]
struct Log {
    next_offset: u64,
}

impl Topics {
    /// The durable topics of a project that are meant.
    pub(super) async fn durable(
        &self,
        project: &ProjectId,
        means: impl Fn(&Topic) -> bool,
    ) -> Result<Vec<Durable>, TopicsError> {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let after =
                cursor.map(|cursor: String| format!("&cursor={}", encode(&cursor))).unwrap_or_default();
            let path = format!("/v1/events?limit={PAGE}{after}");
            let page: Page = self.ask(project, (Method::GET, &path), Bytes::new()).await?;
            let durable = page.topics.into_iter().filter(|view| view.durable);
            found.extend(durable.filter_map(|view| {
                let topic = Topic::parse(&view.topic).ok().filter(&means)?;
                Some(Durable { topic, retention: view.retention })
            }));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Makes a topic durable, or leaves it so with the retention that it has; the number of its next event.
    pub(super) async fn keep(
        &self,
        project: &ProjectId,
        topic: &Topic,
        retention: Option<&Value>,
    ) -> Result<u64, TopicsError> {
        let path = format!("/v1/events/{}", encode(topic.as_str()));
        let body = json!({ "durable": true, "retention": retention }).to_string();
        let view: View = self.ask(project, (Method::PUT, &path), body.into()).await?;
        Ok(view.log.map_or(0, |log| log.next_offset))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        project: &ProjectId,
        (method, path): (Method, &str),
        body: Bytes,
    ) -> Result<T, TopicsError> {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let grant = Grant { caller: Caller::Function, project: Some(project.clone()), end_user: None };
        let answer = self.0.call(grant, request.body(body)?).await;
        if !answer.status().is_success() {
            let body = String::from_utf8_lossy(answer.body()).into_owned();
            return Err(TopicsError::Refused { status: answer.status(), body });
        }
        Ok(serde_json::from_slice(answer.body())?)
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986 §2.3).
fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
