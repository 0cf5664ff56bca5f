//! A reader of server-sent events.

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::Value;
use std::time::Duration;

/// Nothing that is tested takes as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open stream.
pub(crate) struct Stream {
    body: Body,
    text: String,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Event {
    /// `<type> <docId>` of a change, else the name.
    pub(crate) fn short(&self) -> String {
        match self.name.as_str() {
            "change" => {
                let text = |field: &str| self.data[field].as_str().unwrap().to_owned();
                format!("{} {}", text("type"), text("docId"))
            }
            name => name.to_owned(),
        }
    }
}

impl Stream {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, text: String::new() }
    }

    /// The bytes as they come.
    pub(crate) fn body(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        let next = tokio::time::timeout(PATIENCE, self.read());
        next.await.expect("no event came")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let parsed = parse(event);
                self.text = rest.to_owned();
                match parsed {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let frame = self.body.frame().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    /// The next events, each in short.
    pub(crate) async fn short(&mut self, count: usize) -> Vec<String> {
        let mut events = Vec::new();
        for _ in 0..count {
            let event = self.next().await;
            events.push(event.map_or_else(|| "end".to_owned(), |event| event.short()));
        }
        events
    }
}

/// `None` for a comment.
fn parse(text: &str) -> Option<Event> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    let data = serde_json::from_str(&field("data")?).unwrap();
    Some(Event { name: field("event").unwrap(), id: field("id"), data })
}
