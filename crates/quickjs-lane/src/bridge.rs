//! Where the functions that an instance sees leave what they want, until its slice is over. One call at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use worker_pool::{Host, LogLevel, LogSource, WorkerLog};

use crate::budget::{Budget, cut};
use crate::failure::Failure;
use crate::operations::Operation;

/// Operations that a call has open. `js/` has lower numbers for each kind; this one holds whatever code does to it.
const OPEN_MAX: usize = 2000;
/// Bodies of all that a call has open: they are outside of its instance, where nothing else counts them.
const OPEN_BYTES_MAX: usize = 64 << 20;

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
    /// Bytes of the bodies of what is open, by operation.
    open: HashMap<u32, usize>,
    cancelled: Vec<u32>,
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
        state.open.clear();
        state.cancelled.clear();
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

    /// Takes an operation, or says why there may not be another one.
    pub(crate) fn start(&self, operation: Operation) -> Result<(), String> {
        let mut state = self.state();
        let bytes = operation.body_bytes();
        if state.open.len() >= OPEN_MAX {
            return Err(format!("{OPEN_MAX} timers and calls are open already"));
        }
        if bytes > 0 && state.open.values().sum::<usize>() + bytes > OPEN_BYTES_MAX {
            return Err(format!("the bodies of the calls that are open are over {OPEN_BYTES_MAX} bytes"));
        }
        state.open.insert(operation.id(), bytes);
        state.started.push(operation);
        Ok(())
    }

    /// The outcome of an operation is there.
    pub(crate) fn finish(&self, id: u32) {
        self.state().open.remove(&id);
    }

    pub(crate) fn cancel(&self, id: u32) {
        let mut state = self.state();
        state.open.remove(&id);
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
            fields: None,
            message,
            dropped,
            at: SystemTime::now(),
        });
    }
}
