//! What a worker may ask of the server: to keep a log line, and to answer a port call.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};

use crate::state::WorkerChange;

/// The server as the workers see it. `log` is called on hot paths and must not block.
pub trait Host: Send + Sync + 'static {
    /// Takes one log line. Lines come bounded in size and rate; the host bounds its own buffer.
    fn log(&self, line: WorkerLog);
    /// Answers an HTTP-shaped call that code in a worker made over its channel.
    fn port_call(&self, call: PortCall) -> BoxFuture<'static, PortReply>;
    /// Hears of each change of a worker's state, at most a few a second of one worker. Must not block.
    fn worker_changed(&self, _change: WorkerChange) {}
}

/// One log line of a function.
#[derive(Debug, Clone)]
pub struct WorkerLog {
    /// [`crate::VersionSpec::project`].
    pub project: Arc<str>,
    /// [`crate::VersionSpec::key`].
    pub version: Arc<str>,
    /// The call that wrote it; none outside of a call.
    pub invocation_id: Option<Arc<str>>,
    /// Severity.
    pub level: LogLevel,
    /// Where it came from.
    pub source: LogSource,
    /// At most 16 KiB.
    pub message: String,
    /// The last object that was logged, as JSON; at most 16 KiB.
    pub fields: Option<String>,
    /// Lines of this worker that were dropped since the line before, because they were too many.
    pub dropped: u64,
    /// When the server took it.
    pub at: SystemTime,
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// `console.debug`, `console.trace`
    Debug,
    /// `console.log`, `console.info`, standard output
    Info,
    /// `console.warn`
    Warn,
    /// `console.error`, standard error, errors of the handler
    Error,
}

impl LogLevel {
    /// `debug`, `info`, `warn` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Who wrote a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// `console.*`
    Console,
    /// What the process wrote to its standard output.
    Stdout,
    /// What the process wrote to its standard error.
    Stderr,
    /// The runtime itself: errors that the handler did not catch, ends of workers.
    Runtime,
}

/// An HTTP-shaped call from inside a worker to the services of the server.
#[derive(Debug)]
pub struct PortCall {
    /// The project on whose behalf it is made: set by the server, not by the worker.
    pub project: Arc<str>,
    /// The function version that makes it.
    pub version: Arc<str>,
    /// The call in whose course it is made, where the worker knows.
    pub invocation_id: Option<Arc<str>>,
    /// Method.
    pub method: Method,
    /// Path and query, from `/`.
    pub path: String,
    /// Headers as the code gave them.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Answer to a [`PortCall`].
#[derive(Debug)]
pub struct PortReply {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}
