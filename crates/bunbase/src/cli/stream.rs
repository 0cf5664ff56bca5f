//! Server-sent events (WHATWG HTML, "Server-sent events"): one subscription that is opened again when it
//! breaks, after the last event that was seen.

use super::api::{Api, CallError};
use futures_util::StreamExt;
use reqwest::Method;
use std::time::Duration;

/// A subscription stays open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(365 * 86_400);
/// The server sends something at least every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);
const RECONNECT_FIRST: Duration = Duration::from_millis(250);
const RECONNECT_MAX: Duration = Duration::from_secs(10);
/// The longest line that is taken from the server.
const LINE_BYTES_MAX: usize = 32 << 20;

/// One event.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ServerEvent {
    /// Its name; `message` where the server gave none.
    pub(crate) name: String,
    /// Its data.
    pub(crate) data: String,
    /// Its id, or that of an earlier one.
    pub(crate) id: Option<String>,
}

/// Follows `path` until the server refuses it for good or `take` fails.
pub(crate) async fn follow(
    api: &Api,
    path: &str,
    mut last_id: Option<String>,
    mut take: impl FnMut(ServerEvent) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut pause = RECONNECT_FIRST;
    loop {
        let mut request =
            api.request(Method::GET, path).timeout(OPEN_TIMEOUT).header("accept", "text/event-stream");
        if let Some(id) = &last_id {
            request = request.header("last-event-id", id);
        }
        match api.send(request).await {
            Ok(response) => {
                pause = RECONNECT_FIRST;
                let mut parser = Parser::default();
                let mut bytes = response.bytes_stream();
                while let Ok(Some(Ok(part))) = tokio::time::timeout(SILENCE_MAX, bytes.next()).await {
                    for event in parser.push(&part) {
                        last_id.clone_from(&event.id);
                        take(event)?;
                    }
                }
            }
            Err(CallError::Refused(refusal)) if !is_transient(refusal.status) => {
                return Err(CallError::Refused(refusal).into());
            }
            Err(error @ CallError::Foreign { .. }) => return Err(error.into()),
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause = RECONNECT_MAX.min(pause * 2);
    }
}

fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429) || status >= 500
}

/// Makes events out of bytes that arrive in any pieces.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    name: String,
    data: Vec<String>,
    id: Option<String>,
}

impl Parser {
    fn push(&mut self, bytes: &[u8]) -> Vec<ServerEvent> {
        let mut events = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() <= LINE_BYTES_MAX {
                self.line.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line);
                events.extend(self.line(line.trim_end_matches(['\r', '\n'])));
            }
        }
        events
    }

    fn line(&mut self, line: &str) -> Option<ServerEvent> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push(value.to_owned()),
            "id" => self.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<ServerEvent> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        let name = if name.is_empty() { "message".to_owned() } else { name };
        (!data.is_empty()).then(|| ServerEvent { name, data: data.join("\n"), id: self.id.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let text = b": ping\n\nid: 7\nevent: change\ndata: {\ndata: }\r\n\r\ndata:x\n\n";
        let whole = Parser::default().push(text);
        let event = |name: &str, data: &str| ServerEvent {
            name: name.into(),
            data: data.into(),
            id: Some("7".into()),
        };
        assert_eq!(whole, [event("change", "{\n}"), event("message", "x")]);
        let mut parser = Parser::default();
        let cut: Vec<_> = text.iter().flat_map(|byte| parser.push(&[*byte])).collect();
        assert_eq!(cut, whole);
    }
}
