//! How a call or an import can end without an answer, and what callers are told of it.

use std::time::Duration;

use worker_pool::{InvokeError, LoadError, StartError};

#[derive(Debug)]
pub(crate) enum Failure {
    /// The module does not parse, or threw while it was imported.
    Import { message: String, stack: String },
    /// It has no export that can be called.
    MissingHandler { message: String },
    /// The handler threw, or an error was caught by nobody.
    Handler { message: String, stack: String },
    /// The handler returned something else.
    NoResponse { message: String },
    /// The deadline passed.
    Deadline(Duration),
    /// The processor time is used up.
    Processor(Duration),
    /// Over the limit.
    Memory { limit_bytes: usize },
    /// All instances together are over theirs.
    LaneFull { limit_bytes: usize },
    /// The engine failed.
    Crashed { message: String },
}

impl Failure {
    /// What the function's log keeps.
    pub(crate) fn logged(&self) -> String {
        match self {
            Self::Import { message, stack } | Self::Handler { message, stack } => {
                if stack.is_empty() {
                    message.clone()
                } else {
                    stack.clone()
                }
            }
            Self::MissingHandler { message } | Self::NoResponse { message } => message.clone(),
            Self::Deadline(timeout) => format!("the call was ended: it did not answer within {timeout:?}"),
            Self::Processor(time) => format!("the call was ended: it used its {time:?} of processor time"),
            Self::Memory { limit_bytes } => {
                format!("the call was ended: it went over its memory limit of {limit_bytes} bytes")
            }
            Self::LaneFull { limit_bytes } => {
                format!("the call was ended: all instances together hold their {limit_bytes} bytes")
            }
            Self::Crashed { message } => format!("the call was ended: {message}"),
        }
    }

    /// For the caller of the function; `error_id` joins it with the log.
    pub(crate) fn into_invoke(self, error_id: String) -> InvokeError {
        match self {
            Self::Handler { message, .. } => InvokeError::HandlerError { error_id, message },
            Self::NoResponse { message } => InvokeError::NoResponse { error_id, message },
            Self::Deadline(timeout) | Self::Processor(timeout) => InvokeError::Timeout(timeout),
            Self::Memory { limit_bytes } | Self::LaneFull { limit_bytes } => {
                InvokeError::MemoryLimit { limit_bytes: limit_bytes as u64 }
            }
            Self::Crashed { .. } => InvokeError::WorkerCrashed,
            Self::Import { message, .. } | Self::MissingHandler { message } => {
                InvokeError::StartFailed { message }
            }
        }
    }

    /// For whoever deploys the function.
    pub(crate) fn into_load(self) -> LoadError {
        match self {
            Self::Import { message, stack } | Self::Handler { message, stack } => {
                LoadError::Import { message, stack }
            }
            Self::MissingHandler { message } => LoadError::MissingHandler { message },
            Self::Deadline(timeout) | Self::Processor(timeout) => LoadError::Timeout(timeout),
            Self::Memory { limit_bytes } => LoadError::Crashed {
                message: format!("it went over its memory limit of {limit_bytes} bytes"),
            },
            Self::LaneFull { .. } => {
                LoadError::Start(StartError::Ended("the lane's memory is full".to_owned()))
            }
            Self::NoResponse { message } | Self::Crashed { message } => {
                LoadError::Start(StartError::Ended(message))
            }
        }
    }
}
