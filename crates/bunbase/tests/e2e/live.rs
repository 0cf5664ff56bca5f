//! Reading server-sent events as a client does.

use crate::client::Client;
use futures_util::{Stream, StreamExt as _};
use reqwest::Method;
use serde_json::Value;
use std::pin::Pin;
use std::time::Duration;

/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One event; its data is JSON in all of ours.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// An open stream.
pub(crate) struct Events {
    bytes: Pin<Box<dyn Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    text: String,
}

impl Client {
    /// Opens a stream; its first event has to be `connected`.
    pub(crate) async fn events(&self, path: &str, last_id: Option<&str>) -> Events {
        let mut request = self.request(Method::GET, path);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut events = Events { bytes: Box::pin(response.bytes_stream()), text: String::new() };
        assert_eq!(events.next().await.unwrap().name, "connected");
        events
    }
}

impl Events {
    /// The next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an event in time")
    }

    /// The next event of this name, past others.
    pub(crate) async fn next_named(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before `{name}`"));
            if event.name == name {
                return event;
            }
        }
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (parse(block), rest.to_owned());
                self.text = rest;
                if event.is_some() {
                    return event;
                }
                continue;
            }
            match self.bytes.next().await {
                Some(Ok(part)) => self.text.push_str(std::str::from_utf8(&part).unwrap()),
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// `None` for a comment, such as a heartbeat.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.trim_start().to_owned())
    };
    let data = field("data")?;
    let name = field("event").unwrap_or_else(|| "message".to_owned());
    Some(Event { name, id: field("id"), data: serde_json::from_str(&data).unwrap_or(Value::String(data)) })
}
