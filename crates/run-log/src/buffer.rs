//! What waits between the calls and the writer. Bounded by number and bytes; a project gets no more of it
//! than it leaves free, so that one which floods the log leaves room for the others, and a quarter is for
//! errors only.

use crate::line::LogLine;
use crate::redact::Redactor;
use crate::run::Run;
use crate::scope::Scope;
use metrics::{Counter, counter};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Of the buffer, what only errors may take.
const ERRORS_SHARE: usize = 4;

/// Something that waits, with whose it is and how it is redacted.
pub(crate) struct Waiting<T> {
    pub(crate) item: T,
    pub(crate) scope: Arc<Scope>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) bytes: usize,
    /// Bytes of its text that were cut before it came here.
    pub(crate) missing: usize,
}

/// Everything that waits.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) lines: Vec<Waiting<LogLine>>,
    pub(crate) runs: Vec<Waiting<Run>>,
    closed: bool,
}

/// How important something is when there is little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Lines and successful runs.
    Usual,
    /// Runs that failed.
    Error,
}

/// Figures of one kind of record.
pub(crate) struct Outcomes {
    recorded: Counter,
    dropped_full: Counter,
    dropped_disk: Counter,
    lost: AtomicU64,
}

impl Outcomes {
    fn new(name: &'static str) -> Self {
        let outcome = |outcome: &'static str| counter!(name, "outcome" => outcome);
        Self {
            recorded: outcome("recorded"),
            dropped_full: outcome("dropped_buffer"),
            dropped_disk: outcome("dropped_disk"),
            lost: AtomicU64::new(0),
        }
    }

    pub(crate) fn recorded(&self, count: usize) {
        self.recorded.increment(count as u64);
    }

    pub(crate) fn dropped_before_buffer(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.dropped_full.increment(1);
    }

    pub(crate) fn dropped_at_disk(&self, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
        self.dropped_disk.increment(count as u64);
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// The buffer, shared by the writing side and the writer.
pub(crate) struct Buffer {
    pending: Mutex<Pending>,
    bytes: AtomicUsize,
    bytes_max: usize,
    /// What one item takes at least, so that their number is bounded as well.
    item_bytes_min: usize,
    wake_at: usize,
    /// Tells the writer that a batch is full, or that somebody begins to follow.
    pub(crate) wake: Notify,
    pub(crate) lines: Outcomes,
    pub(crate) runs: Outcomes,
    pub(crate) runs_sampled_out: Counter,
}

impl Buffer {
    pub(crate) fn new(bytes_max: usize, items_max: usize, batch: usize) -> Self {
        Self {
            pending: Mutex::default(),
            bytes: AtomicUsize::new(0),
            bytes_max,
            item_bytes_min: bytes_max / items_max.max(1),
            wake_at: batch.clamp(1, items_max.max(1)),
            wake: Notify::new(),
            lines: Outcomes::new("bunbase_log_lines_total"),
            runs: Outcomes::new("bunbase_runs_total"),
            runs_sampled_out: counter!("bunbase_runs_total", "outcome" => "sampled_out"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a line in; false where there is no room.
    pub(crate) fn push_line(&self, line: Waiting<LogLine>) -> bool {
        self.push(Weight::Usual, line, |pending| &mut pending.lines)
    }

    /// Puts a run in; false where there is no room.
    pub(crate) fn push_run(&self, weight: Weight, run: Waiting<Run>) -> bool {
        self.push(weight, run, |pending| &mut pending.runs)
    }

    fn push<T>(
        &self,
        weight: Weight,
        mut waiting: Waiting<T>,
        list: impl FnOnce(&mut Pending) -> &mut Vec<Waiting<T>>,
    ) -> bool {
        waiting.bytes = waiting.bytes.max(self.item_bytes_min);
        if !self.reserve(weight, &waiting) {
            return false;
        }
        let mut pending = self.lock();
        if pending.closed {
            drop(pending);
            self.release(&waiting);
            return false;
        }
        list(&mut pending).push(waiting);
        let is_full_batch = pending.lines.len() + pending.runs.len() == self.wake_at;
        drop(pending);
        if is_full_batch {
            self.wake.notify_one();
        }
        true
    }

    fn reserve<T>(&self, weight: Weight, waiting: &Waiting<T>) -> bool {
        let bytes_max = match weight {
            Weight::Usual => self.bytes_max - self.bytes_max / ERRORS_SHARE,
            Weight::Error => self.bytes_max,
        };
        let of_project = &waiting.scope.project.buffered_bytes;
        let used = self.bytes.fetch_add(waiting.bytes, Ordering::Relaxed) + waiting.bytes;
        let used_by_project = of_project.fetch_add(waiting.bytes, Ordering::Relaxed) + waiting.bytes;
        if used <= bytes_max && used_by_project <= bytes_max - (used - waiting.bytes).min(bytes_max) {
            return true;
        }
        self.release(waiting);
        false
    }

    /// Gives the room of something back.
    pub(crate) fn release<T>(&self, waiting: &Waiting<T>) {
        self.bytes.fetch_sub(waiting.bytes, Ordering::Relaxed);
        waiting.scope.project.buffered_bytes.fetch_sub(waiting.bytes, Ordering::Relaxed);
    }

    /// Takes out what waits.
    pub(crate) fn take(&self) -> Pending {
        let mut pending = self.lock();
        let closed = pending.closed;
        std::mem::replace(&mut *pending, Pending { closed, ..Pending::default() })
    }

    /// Lets nothing more in.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scopes;
    use service_kit::ids::{FunctionId, ProjectId};

    fn waiting(scope: &Arc<Scope>, bytes: usize) -> Waiting<LogLine> {
        let item = LogLine {
            project: ProjectId::generate(),
            function: FunctionId::generate(),
            version: "v1".into(),
            invocation_id: None,
            level: crate::line::Level::Info,
            message: String::new(),
            fields: None,
            at_ms: 0,
        };
        Waiting { item, scope: scope.clone(), redactor: Arc::default(), bytes, missing: 0 }
    }

    fn scope(scopes: &Scopes) -> Arc<Scope> {
        scopes.scope(&ProjectId::generate(), &FunctionId::generate(), "v1")
    }

    fn fill(buffer: &Buffer, scope: &Arc<Scope>) -> usize {
        (0..1_000).take_while(|_| buffer.push_line(waiting(scope, 1))).count()
    }

    #[test]
    fn a_project_that_floods_the_buffer_leaves_room_for_others() {
        let (buffer, scopes) = (Buffer::new(800, 800, 500), Scopes::default());
        let (first, second, third) = (scope(&scopes), scope(&scopes), scope(&scopes));
        // 600 bytes are for lines: half, then half of the rest, and so on.
        assert_eq!(fill(&buffer, &first), 300);
        assert_eq!(fill(&buffer, &second), 150);
        assert_eq!(fill(&buffer, &third), 75);
        assert_eq!(fill(&buffer, &first), 0);
        for line in buffer.take().lines {
            buffer.release(&line);
        }
        assert_eq!(fill(&buffer, &third), 300);
    }

    #[test]
    fn a_closed_buffer_takes_nothing() {
        let (buffer, scopes) = (Buffer::new(800, 800, 500), Scopes::default());
        buffer.close();
        assert!(!buffer.push_line(waiting(&scope(&scopes), 1)));
        assert_eq!(buffer.bytes.load(Ordering::Relaxed), 0);
    }
}
