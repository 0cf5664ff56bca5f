//! Lines from workers on their way to the host: what `console.*` sent as frames, and what the process wrote to
//! its standard output and error, cut into lines and held to a budget.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::frame::LogFrame;
use crate::host::{LogLevel, LogSource, WorkerLog};
use crate::pool::Shared;
use crate::worker::Worker;

const LINE_BYTES_MAX: usize = 16 * 1024;
const READ_BYTES: usize = 16 * 1024;
const BUDGET_BYTES_MAX: usize = 4 * 1024 * 1024;
const BUDGET_BYTES_PER_SECOND: usize = 4 * 1024 * 1024;
const LINE_OVERHEAD_BYTES: usize = 64;

/// A line that has not been given to its version yet.
pub(crate) struct Line {
    pub(crate) level: LogLevel,
    pub(crate) source: LogSource,
    pub(crate) invocation_id: Option<Arc<str>>,
    pub(crate) message: String,
    pub(crate) fields: Option<String>,
    pub(crate) dropped: u64,
}

impl From<LogFrame> for Line {
    fn from(frame: LogFrame) -> Self {
        let invocation_id = (!frame.invocation_id.is_empty()).then(|| frame.invocation_id.into());
        Self {
            level: frame.level,
            source: frame.source,
            invocation_id,
            message: frame.message,
            fields: (!frame.fields.is_empty()).then_some(frame.fields),
            dropped: frame.dropped,
        }
    }
}

impl Shared {
    /// Gives a line to the host. What a worker says before it has a version goes to the server's own log.
    pub(crate) fn log(&self, worker: &Worker, line: Line) {
        let Some(version) = worker.version() else {
            tracing::debug!(pid = worker.pid, message = line.message, "spare worker wrote");
            return;
        };
        self.metrics.log_lines_dropped.increment(line.dropped);
        self.host.log(WorkerLog {
            project: Arc::clone(&version.spec.project),
            version: Arc::clone(&version.spec.key),
            invocation_id: line.invocation_id,
            level: line.level,
            source: line.source,
            message: worker.place.shown(line.message),
            fields: line.fields,
            dropped: line.dropped,
            at: SystemTime::now(),
        });
    }

    /// Reads an output of the process to its end. Always reads on, so that the process never blocks on it.
    pub(crate) async fn capture(
        self: Arc<Self>,
        worker: Arc<Worker>,
        source: LogSource,
        mut output: impl AsyncRead + Unpin,
    ) {
        let level = if source == LogSource::Stderr { LogLevel::Error } else { LogLevel::Info };
        let mut lines = Lines::default();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let length = output.read(&mut buffer).await.unwrap_or(0);
            let emit = |message: String, dropped: u64| {
                self.log(
                    &worker,
                    Line { level, source, invocation_id: None, message, fields: None, dropped },
                );
            };
            if length == 0 {
                return lines.finish(emit);
            }
            lines.push(&buffer[..length], emit);
        }
    }
}

/// Cuts bytes into lines of bounded length, and drops what is over the budget.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
    cut: bool,
    budget: Budget,
    dropped: u64,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], mut emit: impl FnMut(String, u64)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, complete) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LINE_BYTES_MAX - self.partial.len();
            self.cut |= text.len() > room;
            self.partial.extend_from_slice(&text[..text.len().min(room)]);
            if complete {
                self.line(&mut emit);
            }
        }
    }

    fn finish(&mut self, mut emit: impl FnMut(String, u64)) {
        if !self.partial.is_empty() {
            self.line(&mut emit);
        }
    }

    fn line(&mut self, emit: &mut impl FnMut(String, u64)) {
        let mut message = String::from_utf8_lossy(&self.partial).into_owned();
        if std::mem::take(&mut self.cut) {
            message.push('…');
        }
        self.partial.clear();
        if self.budget.pay(message.len() + LINE_OVERHEAD_BYTES) {
            emit(message, std::mem::take(&mut self.dropped));
        } else {
            self.dropped += 1;
        }
    }
}

/// Bytes that may still be logged; refills with time.
struct Budget {
    bytes: usize,
    refilled: Instant,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: BUDGET_BYTES_MAX, refilled: Instant::now() }
    }
}

impl Budget {
    fn pay(&mut self, bytes: usize) -> bool {
        if self.bytes < bytes {
            let elapsed_ms = self.refilled.elapsed().as_millis() as usize;
            let refill = elapsed_ms.saturating_mul(BUDGET_BYTES_PER_SECOND / 1000);
            self.bytes = BUDGET_BYTES_MAX.min(self.bytes.saturating_add(refill));
            self.refilled = Instant::now();
        }
        let pays = self.bytes >= bytes;
        if pays {
            self.bytes -= bytes;
        }
        pays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_lines_are_joined_and_long_ones_cut() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        lines.push(b"one\ntw", |line, _| seen.push(line));
        lines.push(b"o\n", |line, _| seen.push(line));
        lines.push(&vec![b'x'; LINE_BYTES_MAX * 3], |line, _| seen.push(line));
        lines.push(b"\nrest", |line, _| seen.push(line));
        lines.finish(|line, _| seen.push(line));
        assert_eq!(seen[0], "one");
        assert_eq!(seen[1], "two");
        assert_eq!(seen[2].len(), LINE_BYTES_MAX + '…'.len_utf8());
        assert_eq!(seen[3], "rest");
    }

    #[test]
    fn lines_over_the_budget_are_dropped_and_counted() {
        let mut lines = Lines { budget: Budget { bytes: 100, refilled: Instant::now() }, ..Lines::default() };
        let mut seen = Vec::new();
        // The refill of the moments between is far below a line of this size.
        let long = [vec![b'x'; LINE_BYTES_MAX], vec![b'\n']].concat();
        lines.budget.bytes = LINE_BYTES_MAX + LINE_OVERHEAD_BYTES;
        lines.push(&long, |line, dropped| seen.push((line.len(), dropped)));
        lines.push(&long, |line, dropped| seen.push((line.len(), dropped)));
        assert_eq!(seen, [(LINE_BYTES_MAX, 0)]);
        lines.budget.bytes = BUDGET_BYTES_MAX;
        lines.push(b"again\n", |line, dropped| seen.push((line.len(), dropped)));
        assert_eq!(seen[1], (5, 1));
    }
}
