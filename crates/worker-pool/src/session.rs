//! The life of one worker process, from its socket to its end: reads frames, answers port calls, and when the
//! process is gone says so to every call that was left.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::unix::OwnedReadHalf;
use tokio::process::Child;

use crate::call::{BodyError, InvokeResponse, ResponseBody};
use crate::calls::{Entry, Outcome, Phase};
use crate::cgroup::Cgroup;
use crate::error::{InvokeError, StartError};
use crate::frame::{self, Frame, put_port_reply};
use crate::host::{LogLevel, LogSource, PortCall, PortReply};
use crate::launch::Network;
use crate::logs::Line;
use crate::pool::Shared;
use crate::process::Launched;
use crate::protocol::{self, ProtocolError};
use crate::state::{EndReason, WorkerState};
use crate::worker::{Loaded, Worker};

const READ_BYTES: usize = 128 * 1024;
/// Twice what the worker itself allows.
const PORT_CALLS_MAX: usize = 512;

/// Starts a generic worker and waits for its hello.
pub(crate) async fn start_worker(shared: &Arc<Shared>, network: Network) -> Result<Arc<Worker>, StartError> {
    let number = shared.next_worker.fetch_add(1, Ordering::Relaxed);
    let started = std::time::Instant::now();
    let Launched { mut child, pid, socket, place } = shared.launcher.launch(number, network).await?;
    let (mut reading, writing) = socket.into_split();
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    let timeout = shared.launcher.startup_timeout;
    let greeted = tokio::time::timeout(timeout, hello(&mut reading, &mut buffer)).await;
    greeted.unwrap_or(Err(StartError::Timeout(timeout)))?;
    shared.metrics.starts.increment(1);
    shared.metrics.start_seconds.record(started.elapsed().as_secs_f64());
    let worker = Arc::new(Worker::new(number, pid, place));
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(Arc::clone(shared).capture(Arc::clone(&worker), LogSource::Stdout, stdout));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(Arc::clone(shared).capture(Arc::clone(&worker), LogSource::Stderr, stderr));
    }
    let session = Session { shared: Arc::clone(shared), worker: Arc::clone(&worker) };
    tokio::spawn(async move {
        let writer = Arc::clone(&session.worker);
        let writing = tokio::spawn(async move {
            let is_shared = || writer.slots.load(Ordering::Relaxed) > 1;
            writer.outbox.run(writing, is_shared).await;
        });
        session.run(reading, buffer, child).await;
        writing.abort();
    });
    Ok(worker)
}

async fn hello(socket: &mut OwnedReadHalf, buffer: &mut BytesMut) -> Result<(), StartError> {
    let ended = |reason: &str| StartError::Ended(reason.to_owned());
    loop {
        match frame::next_frame(buffer).map_err(|error| StartError::Ended(error.to_string()))? {
            Some(Frame { kind: protocol::HELLO, payload, .. }) => {
                let version = payload.first_chunk::<2>().map(|bytes| u16::from_le_bytes(*bytes));
                return if version == Some(protocol::PROTOCOL_VERSION) {
                    Ok(())
                } else {
                    Err(ended("it speaks another version of the protocol"))
                };
            }
            Some(_) => {}
            None if socket.read_buf(buffer).await.unwrap_or(0) == 0 => {
                return Err(ended("its connection closed"));
            }
            None => {}
        }
    }
}

struct Session {
    shared: Arc<Shared>,
    worker: Arc<Worker>,
}

impl Session {
    async fn run(self, mut socket: OwnedReadHalf, mut buffer: BytesMut, mut child: Child) {
        loop {
            match self.handle_all(&mut buffer) {
                Ok(()) => {}
                Err(error) => {
                    tracing::error!(pid = self.worker.pid, %error, "worker is ended");
                    self.worker.end(EndReason::Protocol);
                }
            }
            buffer.reserve(READ_BYTES);
            tokio::select! {
                read = socket.read_buf(&mut buffer) => if read.unwrap_or(0) == 0 { break },
                () = self.worker.kill.notified() => break,
            }
        }
        let _ = child.start_kill();
        let status = child.wait().await;
        self.over(status.map_or_else(|error| error.to_string(), |status| status.to_string())).await;
    }

    fn handle_all(&self, buffer: &mut BytesMut) -> Result<(), ProtocolError> {
        while let Some(frame) = frame::next_frame(buffer)? {
            self.handle(frame)?;
        }
        Ok(())
    }

    fn handle(&self, Frame { kind, call, payload }: Frame) -> Result<(), ProtocolError> {
        match kind {
            protocol::RESPONSE => self.response(call, payload)?,
            protocol::RESPONSE_HEAD => self.worker.start_stream(call, frame::parse_response(payload)?),
            protocol::RESPONSE_CHUNK => self.worker.chunk(call, payload),
            protocol::RESPONSE_END => drop(self.worker.answered(call)),
            protocol::RESPONSE_ERROR => self.response_error(call, &payload)?,
            protocol::REQUEST_CREDIT => self.worker.granted(call, frame::parse_u32(payload)?)?,
            protocol::BACKGROUND => {
                if let Some(entry) = self.worker.calls().get_mut(call) {
                    entry.has_background = true;
                }
            }
            protocol::BACKGROUND_END => drop(self.worker.finish(call)),
            protocol::PONG => self.worker.pong(),
            protocol::LOG => self.shared.log(&self.worker, Line::from(frame::parse_log(payload)?)),
            protocol::PORT_CALL => self.port_call(call, payload)?,
            protocol::LOADED => self.worker.loaded(Loaded::Ready(payload)),
            protocol::LOAD_ERROR => self.worker.loaded(Loaded::Failed(payload)),
            _ => return Err(ProtocolError("frame of unknown type")),
        }
        Ok(())
    }

    fn response(&self, call: u32, payload: Bytes) -> Result<(), ProtocolError> {
        let Some(phase) = self.worker.answered(call) else { return Ok(()) };
        let head = frame::parse_response(payload)?;
        let body = ResponseBody::Full(head.body);
        let response = InvokeResponse { status: head.status, headers: head.headers, body };
        if let Phase::Waiting(caller) = phase {
            let _ = caller.send(Outcome::Response(response));
        }
        Ok(())
    }

    fn response_error(&self, call: u32, payload: &[u8]) -> Result<(), ProtocolError> {
        let named = |entry: &mut Entry| (Arc::clone(&entry.invocation_id), entry.timeout);
        let Some((invocation_id, timeout)) = self.worker.calls().get_mut(call).map(named) else {
            return Ok(());
        };
        let Some(phase) = self.worker.answered(call) else { return Ok(()) };
        let Some((kind, text)) = payload.split_first() else {
            return Err(ProtocolError("error without a kind"));
        };
        let ErrorText { message, stack } = ErrorText::parse(text);
        if *kind == protocol::ERROR_STOPPED {
            // Also where the caller was told before: nothing else says why.
            self.shared.log(&self.worker, Line::runtime(Some(invocation_id), message));
            if let Phase::Waiting(caller) = phase {
                let _ = caller.send(Outcome::Failed(InvokeError::Timeout(timeout)));
            }
            return Ok(());
        }
        if matches!(phase, Phase::Abandoned) {
            return Ok(());
        }
        let error_id = format!("err_{}", uuid::Uuid::now_v7().simple());
        let logged = format!("error {error_id}: {}", if stack.is_empty() { &message } else { &stack });
        self.shared.log(&self.worker, Line::runtime(Some(invocation_id), logged));
        match phase {
            Phase::Waiting(caller) => {
                let error = match *kind {
                    protocol::ERROR_NO_RESPONSE => InvokeError::NoResponse { error_id, message },
                    protocol::ERROR_HANDLER | protocol::ERROR_BODY_BROKEN => {
                        InvokeError::HandlerError { error_id, message }
                    }
                    _ => return Err(ProtocolError("error of unknown kind")),
                };
                let _ = caller.send(Outcome::Failed(error));
            }
            Phase::Streaming(chunks) => {
                let reason = format!("the function failed (error {error_id})");
                let _ = chunks.send(Err(BodyError { reason, is_retired: false }));
            }
            Phase::Background | Phase::Abandoned => {}
        }
        Ok(())
    }

    fn port_call(&self, id: u32, payload: Bytes) -> Result<(), ProtocolError> {
        let call = frame::parse_port_call(payload)?;
        let Some(version) = self.worker.version() else {
            return Err(ProtocolError("port call of a spare worker"));
        };
        if self.worker.port_calls.fetch_add(1, Ordering::Relaxed) >= PORT_CALLS_MAX {
            return Err(ProtocolError("too many port calls at once"));
        }
        let answer = self.shared.host.port_call(PortCall {
            project: Arc::clone(&version.spec.project),
            version: Arc::clone(&version.spec.key),
            invocation_id: (!call.invocation_id.is_empty()).then(|| call.invocation_id.into()),
            method: call.method,
            path: call.path,
            headers: call.headers,
            body: call.body,
        });
        let worker = Arc::clone(&self.worker);
        tokio::spawn(async move {
            let reply = within_frame(answer.await);
            worker.port_calls.fetch_sub(1, Ordering::Relaxed);
            worker.outbox.push(|out| put_port_reply(out, id, &reply));
        });
        Ok(())
    }

    /// The process is gone.
    async fn over(&self, status: String) {
        let worker = &self.worker;
        let by_kernel = worker.place.cgroup.as_ref().is_some_and(Cgroup::ended_for_memory);
        let reason = worker.ended_for(if by_kernel { EndReason::Memory } else { EndReason::Crashed });
        self.shared.metrics.ended(reason);
        if let Some(version) = worker.version() {
            version.forget(worker);
            if let Some(message) = farewell(worker.pid, reason, &status) {
                self.shared.log(worker, Line::runtime(None, message));
            }
        }
        let limit_bytes = worker.version().map_or(0, |version| version.spec.settings.memory_limit_bytes);
        worker.close(worker.place.begun(), || match reason {
            EndReason::Memory => InvokeError::MemoryLimit { limit_bytes },
            EndReason::Retired => InvokeError::Retired,
            EndReason::Unresponsive | EndReason::Protocol | EndReason::Crashed => InvokeError::WorkerCrashed,
        });
        self.shared.enter(worker, WorkerState::Terminated);
        self.shared.forget(worker);
        if let Err(error) = tokio::fs::remove_dir_all(&worker.place.directory).await {
            tracing::debug!(%error, "private directory of a worker could not be removed");
        }
        worker.set_ended();
    }
}

/// What the function's log is told of the end.
fn farewell(pid: u32, reason: EndReason, status: &str) -> Option<String> {
    match reason {
        EndReason::Retired => None,
        EndReason::Crashed => Some(format!("worker {pid} ended by itself: {status}")),
        EndReason::Memory => Some(format!("worker {pid} was ended: over the memory limit")),
        EndReason::Unresponsive | EndReason::Protocol => {
            Some(format!("worker {pid} was ended: it did not answer"))
        }
    }
}

impl Line {
    fn runtime(invocation_id: Option<Arc<str>>, message: String) -> Self {
        let (level, source) = (LogLevel::Error, LogSource::Runtime);
        Self { level, source, invocation_id, message, fields: None, dropped: 0 }
    }
}

#[derive(serde::Deserialize)]
struct ErrorText {
    message: String,
    stack: String,
}

impl ErrorText {
    fn parse(json: &[u8]) -> Self {
        serde_json::from_slice(json)
            .unwrap_or_else(|_| Self { message: frame::text(json), stack: String::new() })
    }
}

/// A reply that does not fit into a frame becomes an error that says so.
fn within_frame(reply: PortReply) -> PortReply {
    let head: usize = reply.headers.iter().map(|(name, value)| 6 + name.as_str().len() + value.len()).sum();
    if reply.body.len() + head + 16 <= protocol::MAX_FRAME_BYTES {
        return reply;
    }
    let body = r#"{"error":{"code":"reply_too_large","message":"the answer is too large for the worker; ask for fewer items or fields"}}"#;
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    PortReply { status: http::StatusCode::BAD_GATEWAY, headers, body: Bytes::from_static(body.as_bytes()) }
}
