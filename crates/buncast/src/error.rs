//! What can go wrong with the service, besides what the bus answers (`ports::events::BusError`).

use crate::log::LogError;
use ports::events::{BusError, InvalidTopic};
use rules::RuleError;
use service_kit::error::{Classify, ErrorCode};
use sql::SqlError;
use std::path::PathBuf;

/// An error of the service.
#[derive(Debug, thiserror::Error)]
pub enum BuncastError {
    /// The settings do not fit each other.
    #[error("{0}")]
    Config(String),
    /// A directory cannot be made or read.
    #[error("{path} cannot be made or read")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The socket cannot be made.
    #[error("the socket {path} cannot be made: choose another path, or end the program that uses it")]
    Socket {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The store of declarations and rules failed.
    #[error("the store of topics failed")]
    Store(#[from] SqlError),
    /// What the store holds is not what was put in.
    #[error("the store of topics holds something that is no {what}: restore events.db from a backup")]
    Stored {
        /// What it should be.
        what: &'static str,
    },
    /// A log failed.
    #[error(transparent)]
    Log(#[from] LogFailure),
    /// The bus refused.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The name of a topic breaks a rule.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    /// The rules are wrong.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// No such topic.
    #[error("there is no such topic: declare it, or publish to it")]
    TopicNotFound,
    /// The topic keeps a log, and would lose it.
    #[error("the topic keeps a log: remove it first, which gives up its events")]
    KeepsLog,
    /// A limit of declared topics is reached.
    #[error("the project has {max} durable topics, and may not have more: remove one")]
    TooManyDurable {
        /// The limit.
        max: usize,
    },
    /// The logs of a project would keep too much.
    #[error("the logs of the project may keep {bytes_max} bytes together: give some a smaller `max_bytes`")]
    LogBytes {
        /// The limit.
        bytes_max: u64,
    },
    /// A retention breaks a rule.
    #[error("`retention` keeps from 1 second to 10 years, and 65536 bytes or more")]
    Retention,
    /// The rules do not allow it.
    #[error("the rules of the project do not allow this: see event-rules")]
    NotAllowed,
    /// A parameter or a message is malformed.
    #[error("{0}")]
    Invalid(&'static str),
}

/// A log failed; the text names the file and the way out, for whoever runs the server.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LogFailure(LogError);

impl From<LogError> for BuncastError {
    fn from(error: LogError) -> Self {
        Self::Log(LogFailure(error))
    }
}

impl Classify for BuncastError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Config(_) | Self::Directory { .. } | Self::Socket { .. } | Self::Stored { .. } => {
                ErrorCode::Internal
            }
            Self::Store(error) => error.code(),
            Self::Log(LogFailure(LogError::DiskFull(_))) => ErrorCode::DiskFull,
            Self::Log(_) => ErrorCode::Internal,
            Self::Bus(error) => error.code(),
            Self::Topic(error) => error.code(),
            Self::Rules(error) => error.code(),
            Self::TopicNotFound => ErrorCode::TopicNotFound,
            Self::KeepsLog => ErrorCode::Conflict,
            Self::TooManyDurable { .. } | Self::LogBytes { .. } => ErrorCode::LimitExceeded,
            Self::Retention | Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::NotAllowed => ErrorCode::Forbidden,
        }
    }
}
