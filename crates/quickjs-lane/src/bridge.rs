//! Where the functions that an instance sees leave what they want, until its slice is over. One call at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use worker_pool::{Host, LogLevel, LogSource, WorkerLog};

use crate::budget::{Budget, cut};
use crate::failure::Failure;
use crate::operations::Operation;

/// Rejections that are kept for a slice; one is enough to fail its call.
const REJECTIONS_MAX: usize = 16;

/// How a handler ended.
#[derive(Debug)]
pub(crate) enum Answer {
    Response { status: u16, header_block: String, body: Bytes },
    Failed(Failure),
}

/// Who the lines and calls of an instance belong to.
pub(crate) struct Owner {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) project: Arc<str>,
    pub(crate) version: Arc<str>,
}

#[derive(Default)]
struct State {
    invocation_id: Option<Arc<str>>,
    answer: Option<Answer>,
    started: Vec<Operation>,
    cancelled: Vec<u32>,
    /// Promises that were rejected and that nobody looks at, with their reasons.
    rejections: Vec<(u64, String)>,
    budget: Budget,
}

/// Shared by an instance and the functions that it sees.
pub(crate) struct Bridge {
    owner: Arc<Owner>,
    state: Mutex<State>,
}

impl Bridge {
    pub(crate) fn new(owner: Arc<Owner>) -> Self {
        Self { owner, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins; what the one before left is forgotten.
    pub(crate) fn begin(&self, invocation_id: Arc<str>) {
        let mut state = self.state();
        state.invocation_id = Some(invocation_id);
        state.answer = None;
        state.started.clear();
        state.cancelled.clear();
        state.rejections.clear();
    }

    pub(crate) fn invocation_id(&self) -> Option<Arc<str>> {
        self.state().invocation_id.clone()
    }

    /// The first answer counts; an error after it goes to the log.
    pub(crate) fn answer(&self, answer: Answer) {
        let mut state = self.state();
        if state.answer.is_none() {
            state.answer = Some(answer);
            return;
        }
        drop(state);
        if let Answer::Failed(failure) = answer {
            self.log(LogLevel::Error, LogSource::Runtime, failure.logged());
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.state().answer.is_some()
    }

    pub(crate) fn take_answer(&self) -> Option<Answer> {
        self.state().answer.take()
    }

    pub(crate) fn start(&self, operation: Operation) {
        self.state().started.push(operation);
    }

    pub(crate) fn cancel(&self, id: u32) {
        let mut state = self.state();
        let before = state.started.len();
        state.started.retain(|operation| operation.id() != id);
        if state.started.len() == before {
            state.cancelled.push(id);
        }
    }

    /// What was started and cancelled since this was last asked.
    pub(crate) fn take_operations(&self) -> (Vec<Operation>, Vec<u32>) {
        let mut state = self.state();
        (std::mem::take(&mut state.started), std::mem::take(&mut state.cancelled))
    }

    /// A promise was rejected without anybody who looks at it.
    pub(crate) fn rejected(&self, promise: u64, reason: String) {
        let mut state = self.state();
        if state.rejections.len() < REJECTIONS_MAX {
            state.rejections.push((promise, reason));
        }
    }

    /// Somebody looks at it after all.
    pub(crate) fn looked_at(&self, promise: u64) {
        self.state().rejections.retain(|(known, _)| *known != promise);
    }

    /// Why the first promise was rejected that nobody looked at in this slice.
    pub(crate) fn take_rejection(&self) -> Option<String> {
        let rejections = std::mem::take(&mut self.state().rejections);
        rejections.into_iter().next().map(|(_, reason)| reason)
    }

    /// A line for the function's log, within the budget.
    pub(crate) fn log(&self, level: LogLevel, source: LogSource, message: String) {
        let (invocation_id, dropped) = {
            let mut state = self.state();
            let Some(dropped) = state.budget.pay(message.len()) else { return };
            (state.invocation_id.clone(), dropped)
        };
        self.owner.log(LogEntry { invocation_id, level, source, message: cut(message), dropped });
    }
}

pub(crate) struct LogEntry {
    pub(crate) invocation_id: Option<Arc<str>>,
    pub(crate) level: LogLevel,
    pub(crate) source: LogSource,
    pub(crate) message: String,
    pub(crate) dropped: u64,
}

impl Owner {
    pub(crate) fn log(&self, entry: LogEntry) {
        let LogEntry { invocation_id, level, source, message, dropped } = entry;
        self.host.log(WorkerLog {
            project: Arc::clone(&self.project),
            version: Arc::clone(&self.version),
            invocation_id,
            level,
            source,
            message,
            dropped,
            at: SystemTime::now(),
        });
    }
}
