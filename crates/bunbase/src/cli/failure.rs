//! How a command fails: what went wrong, the server's code and request id, and what to do next.

use super::api::{CallError, Refusal};
use super::output::{Colour, Output, printable};
use serde_json::{Value, json};
use std::io::{self, ErrorKind};
use std::process::ExitCode;

const EXIT_FAILED: u8 = 1;
const EXIT_USAGE: u8 = 2;

/// The arguments ask for something that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

/// A failure of the command line itself that knows what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Advised {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) next: String,
}

impl Advised {
    pub(crate) fn new(message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { message: message.into(), next: next.into() }
    }
}

/// The command printed why it failed; only the exit code is left to be set.
#[derive(Debug, thiserror::Error)]
#[error("failed")]
pub(crate) struct AlreadySaid;

/// Prints the failure on standard error and gives the exit code for it.
pub(crate) fn report(error: &anyhow::Error, output: Output) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    if !error.is::<AlreadySaid>() {
        let failure = Failure::of(error);
        output.progress(if output.is_json() { failure.json() } else { failure.text(output) });
    }
    ExitCode::from(if in_chain::<UsageError>(error).is_some() { EXIT_USAGE } else { EXIT_FAILED })
}

/// Whoever read the output (`head`, a pager) has seen enough.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// What is in the error as its context, or as one of its causes.
fn in_chain<E: std::error::Error + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&E> {
    error.downcast_ref::<E>().or_else(|| error.chain().find_map(|cause| cause.downcast_ref::<E>()))
}

struct Failure<'a> {
    message: String,
    refusal: Option<&'a Refusal>,
    next: Option<String>,
}

impl<'a> Failure<'a> {
    fn of(error: &'a anyhow::Error) -> Self {
        let call = in_chain::<CallError>(error);
        let refusal = call.and_then(|call| match call {
            CallError::Refused(refusal) => Some(refusal.as_ref()),
            CallError::Unreachable { .. } | CallError::Broken { .. } | CallError::Foreign { .. } => None,
        });
        let advised = in_chain::<Advised>(error).map(|advised| advised.next.clone());
        let next = advised.or_else(|| match (call, refusal) {
            (_, Some(refusal)) => next_after_refusal(refusal),
            (Some(call), None) => Some(next_after_no_answer(call).to_owned()),
            (None, None) => None,
        });
        Self { message: printable(&causes(error)), refusal, next }
    }

    fn text(&self, output: Output) -> String {
        let grey = |name: &str| output.paint_err(Colour::Grey, name);
        let mut text = format!("{} {}", output.paint_err(Colour::Red, "error:"), self.message);
        if let Some(refusal) = self.refusal {
            text += &format!(" ({})", printable(&refusal.code));
            if let Some(details) = refusal.details.as_ref().map(plain) {
                text += &format!("\n  {} {}", grey("details:"), printable(&details));
            }
            if let Some(request_id) = &refusal.request_id {
                text += &format!("\n  {} {}", grey("request id:"), printable(request_id));
            }
        }
        if let Some(next) = &self.next {
            text += &format!("\n  {} {next}", output.paint_err(Colour::Cyan, "next:"));
        }
        text
    }

    fn json(&self) -> String {
        let mut error = json!({ "message": self.message, "next": self.next });
        if let Some(refusal) = self.refusal {
            error["code"] = refusal.code.as_str().into();
            error["status"] = refusal.status.into();
            error["details"] = refusal.details.clone().unwrap_or_default();
            error["request_id"] = refusal.request_id.clone().into();
        }
        json!({ "error": error }).to_string()
    }
}

/// The error with its causes, each said once: libraries repeat the text of their source.
fn causes(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        if !message.contains(&cause) {
            let separator = if message.is_empty() { "" } else { ": " };
            message = format!("{message}{separator}{cause}");
        }
    }
    message
}

fn plain(details: &Value) -> String {
    details.as_str().map_or_else(|| details.to_string(), str::to_owned)
}

fn next_after_no_answer(error: &CallError) -> &'static str {
    match error {
        CallError::Unreachable { .. } => {
            "is the server running? start it with `bunbase serve`, or name another with --url"
        }
        CallError::Broken { .. } => "look at the server's log; a write may have taken effect",
        CallError::Foreign { .. } => "is this the address of a BunBase server? name it with --url",
        CallError::Refused(_) => "read what the server said",
    }
}

fn next_after_refusal(refusal: &Refusal) -> Option<String> {
    let next = match refusal.code.as_str() {
        "unauthenticated" => "run `bunbase login`, or set BUNBASE_KEY to a secret key of the project",
        "invalid_credentials" => "check e-mail and password; `bunbase setup` makes the first account",
        "forbidden" => "ask an owner of the project for the role, or use a secret key (sk_…)",
        "setup_done" => "run `bunbase login`",
        "project_not_found" => {
            "see `bunbase projects list`, then choose with `bunbase projects use <project>`"
        }
        "function_not_found" => "see `bunbase functions list`",
        "collection_not_found" => "check its name; `bunbase db import` makes a collection",
        "version_exists" => "choose another --version, or leave it out",
        "document_exists" => "import with --upsert to put documents in place of those that are there",
        "invalid_bundle" => "mend the code and deploy again",
        "handler_error" | "no_response" | "worker_crashed" | "memory_limit" | "timeout" => {
            "see `bunbase functions logs <function>`"
        }
        "body_too_large" => "send less, or raise the limit in the server's settings",
        "rate_limited" | "overloaded" => return Some(wait_text(refusal)),
        "disk_full" => "free space on the server's disk",
        "internal" => "the server's log says more under the request id",
        "service_not_enabled" => "start the server with that service",
        _ => return None,
    };
    Some(next.to_owned())
}

fn wait_text(refusal: &Refusal) -> String {
    match refusal.retry_after {
        Some(wait) => format!("try again in {} s", wait.as_secs()),
        None => "try again in a while".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::api::parse_refusal;
    use anyhow::Context as _;

    fn refused(code: &str) -> anyhow::Error {
        let body = json!({ "error": { "code": code, "message": "said so", "request_id": "req_9" } });
        let refusal = parse_refusal(401, body.to_string().as_bytes()).unwrap();
        CallError::Refused(Box::new(refusal)).into()
    }

    #[test]
    fn code_request_id_and_next_step_are_said() {
        let error = refused("unauthenticated");
        let text = Failure::of(&error).text(Output::new(false, true));
        for part in ["error: said so (unauthenticated)", "req_9", "bunbase login"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let value: Value = serde_json::from_str(&Failure::of(&error).json()).unwrap();
        assert_eq!(value["error"]["code"], "unauthenticated");
    }

    #[test]
    fn context_does_not_hide_what_to_do_next() {
        let error = Err::<(), _>(refused("version_exists")).context("deploying hello").unwrap_err();
        let failure = Failure::of(&error);
        assert_eq!(failure.message, "deploying hello: said so");
        assert!(failure.next.unwrap().contains("--version"));
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let error = anyhow::anyhow!("refused").context("connect: refused").context("no server");
        assert_eq!(causes(&error), "no server: connect: refused");
    }
}
