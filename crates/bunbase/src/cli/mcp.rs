//! The tools of a project for a client of the Model Context Protocol on this machine: what it writes to standard input
//! goes to the server, and nothing but the answers to standard output, each on a line of its own.

use super::api::{Api, CallError, parse_refusal};
use super::context::Context;
use http::header::ACCEPT;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write as _;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::{AbortHandle, JoinSet};

/// The longest call of a function, and some time around it.
const CALL_TIMEOUT: Duration = Duration::from_secs(960);
/// What the protocol wants to be accepted, although the server always answers with JSON.
const ACCEPTED: &str = "application/json, text/event-stream";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";
// JSON-RPC 2.0 §5.1.
const PARSE_ERROR: i32 = -32_700;
const SERVER_ERROR: i32 = -32_000;

/// Passes messages on until standard input ends and every request is answered.
pub(crate) async fn run(context: &Context) -> anyhow::Result<()> {
    let project = context.project().await?;
    let server = Server { path: project.path("mcp")?, api: project.api, version: None };
    let mut bridge = Bridge { server, running: JoinSet::new(), asked: HashMap::new() };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) if line.trim().is_empty() => {}
                Some(line) => bridge.take(&line)?,
                None => break,
            },
            Some(ended) = bridge.running.join_next() => bridge.answer(ended.ok())?,
        }
    }
    while let Some(ended) = bridge.running.join_next().await {
        bridge.answer(ended.ok())?;
    }
    Ok(())
}

/// The tools at the server.
#[derive(Clone)]
struct Server {
    api: Api,
    path: String,
    /// As it was agreed on.
    version: Option<String>,
}

/// A request that ended: its id, and what is to be said.
type Ended = (Option<String>, Option<Value>);

struct Bridge {
    server: Server,
    running: JoinSet<Ended>,
    asked: HashMap<String, AbortHandle>,
}

impl Bridge {
    /// Takes one message of the client.
    fn take(&mut self, line: &str) -> anyhow::Result<()> {
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return say(&failure(&Value::Null, PARSE_ERROR, "this is not JSON"));
        };
        if message["method"] == "notifications/cancelled" {
            // The server learns of it by the connection.
            if let Some(call) = self.asked.remove(&message["params"]["requestId"].to_string()) {
                call.abort();
            }
            return Ok(());
        }
        let id = message.get("id").cloned();
        let (server, name) = (self.server.clone(), id.as_ref().map(Value::to_string));
        let named = name.clone();
        let call = self.running.spawn(async move {
            let answer = match server.ask(&message).await {
                Ok(answer) => answer,
                Err(text) => Some(failure(&id.clone().unwrap_or_default(), SERVER_ERROR, &text)),
            };
            // Nobody waits for the answer to a notification.
            (named, answer.filter(|_| id.is_some()))
        });
        self.asked.extend(name.map(|name| (name, call)));
        Ok(())
    }

    /// Says what a request was answered; nothing where it was cancelled.
    fn answer(&mut self, ended: Option<Ended>) -> anyhow::Result<()> {
        let Some((name, answer)) = ended else { return Ok(()) };
        self.asked.retain(|asked, _| Some(asked) != name.as_ref());
        let Some(answer) = answer else { return Ok(()) };
        if let Some(version) = answer["result"]["protocolVersion"].as_str() {
            self.server.version = Some(version.to_owned());
        }
        say(&answer)
    }
}

impl Server {
    /// The answer to one message; `None` for a notification, a text where there is none.
    async fn ask(&self, message: &Value) -> Result<Option<Value>, String> {
        let mut request = self.api.request(Method::POST, &self.path).timeout(CALL_TIMEOUT);
        request = request.header(ACCEPT, ACCEPTED).json(message);
        if let Some(version) = &self.version {
            request = request.header(PROTOCOL_VERSION, version);
        }
        let response = self.api.exchange(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.bytes().await.map_err(|source| self.api.broken(source).to_string())?;
        if status == StatusCode::ACCEPTED {
            return Ok(None);
        }
        if let Some(refusal) = parse_refusal(status.as_u16(), &body).filter(|_| !status.is_success()) {
            return Err(format!("{}: {}", refusal.code, refusal.message));
        }
        let answer =
            serde_json::from_slice::<Value>(&body).ok().filter(|answer| answer.get("jsonrpc").is_some());
        let foreign = || CallError::Foreign { url: self.api.base().to_owned(), status: status.as_u16() };
        answer.map(Some).ok_or_else(|| foreign().to_string())
    }
}

fn failure(id: &Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

fn say(message: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{message}")?;
    Ok(out.flush()?)
}
