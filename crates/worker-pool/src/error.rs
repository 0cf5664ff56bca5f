//! Errors of the pool, of a load and of a call, with the codes and statuses that callers answer with.

use std::time::Duration;

use http::StatusCode;

/// The pool could not start.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The work directory could not be made or emptied.
    #[error("could not prepare the work directory {path} of the workers")]
    WorkDir {
        /// The directory.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Socket paths in the work directory would be too long for the kernel.
    #[error("the work directory {path} is too long for sockets; choose one of at most {bytes_max} bytes")]
    WorkDirTooLong {
        /// The directory.
        path: String,
        /// Longest that works.
        bytes_max: usize,
    },
    /// The first spare worker did not come up.
    #[error("no worker could be started")]
    Start(#[source] StartError),
}

/// A worker process did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process could not be spawned.
    #[error("could not spawn {program}")]
    Spawn {
        /// The Bun that was tried.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its directory or its socket could not be made.
    #[error("could not prepare the private directory of a worker")]
    Prepare(#[source] std::io::Error),
    /// It said nothing in time.
    #[error("worker did not answer within {0:?}")]
    Timeout(Duration),
    /// It ended, or said something that is not the protocol.
    #[error("worker ended while starting: {0}")]
    Ended(String),
    /// The pool is stopping.
    #[error("the pool is stopping")]
    Stopping,
}

/// A bundle cannot take calls. All but `Start` are faults of the bundle, and answer 400.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It does not parse, or it threw while it was imported.
    #[error("the bundle could not be imported: {message}")]
    Import {
        /// Name and message of the error.
        message: String,
        /// Its stack, where there is one.
        stack: String,
    },
    /// It has no export that can be called.
    #[error("{message}")]
    MissingHandler {
        /// Which export was looked for, and which there are.
        message: String,
    },
    /// The import did not end in time.
    #[error("the bundle was not imported within {0:?}; look for endless work at the top level of the module")]
    Timeout(Duration),
    /// The process ended during the import.
    #[error("the worker ended while it imported the bundle: {message}")]
    Crashed {
        /// What is known of the end.
        message: String,
    },
    /// No worker could be had: a fault of the server, not of the bundle.
    #[error("no worker could be started")]
    Start(#[from] StartError),
}

impl LoadError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Import { .. } => "bundle_import_failed",
            Self::MissingHandler { .. } => "bundle_handler_missing",
            Self::Timeout(_) => "bundle_import_timeout",
            Self::Crashed { .. } => "bundle_import_crashed",
            Self::Start(_) => "worker_start_failed",
        }
    }

    /// 400 where the bundle is at fault, 503 where the server is.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Import { .. } | Self::MissingHandler { .. } | Self::Timeout(_) | Self::Crashed { .. } => {
                StatusCode::BAD_REQUEST
            }
            Self::Start(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A call that got no response from the handler.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The handler threw. The stack is in the function's log under `error_id`.
    #[error("the function failed (error {error_id})")]
    HandlerError {
        /// Joins the answer with the log line.
        error_id: String,
        /// Name and message of the error: for logs and developers, not for callers.
        message: String,
    },
    /// The handler returned something that is no `Response`.
    #[error("the function returned no Response (error {error_id})")]
    NoResponse {
        /// Joins the answer with the log line.
        error_id: String,
        /// What it returned.
        message: String,
    },
    /// The deadline passed before the response head.
    #[error("the function did not answer within {0:?}")]
    Timeout(Duration),
    /// The worker ended while the call ran.
    #[error("the worker of the function ended during the call")]
    WorkerCrashed,
    /// The worker was ended because it went over its memory limit.
    #[error("the function went over its memory limit of {limit_bytes} bytes")]
    MemoryLimit {
        /// The limit.
        limit_bytes: u64,
    },
    /// As many calls wait as may.
    #[error("the function has too many calls waiting; try again in {retry_after:?}")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// No worker became free in time.
    #[error("no worker of the function became free in time; try again in {retry_after:?}")]
    QueueTimeout {
        /// When to try again.
        retry_after: Duration,
    },
    /// A worker for the call could not be started, or could not import the bundle any more.
    #[error("no worker of the function could be started: {message}")]
    StartFailed {
        /// Why.
        message: String,
    },
    /// The version or the pool is being stopped.
    #[error("the function version is being retired")]
    Retired,
    /// The request head does not fit into a frame.
    #[error("the request head is larger than {bytes_max} bytes")]
    HeadTooLarge {
        /// Largest head.
        bytes_max: usize,
    },
}

impl InvokeError {
    /// Stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::HandlerError { .. } => "handler_error",
            Self::NoResponse { .. } => "handler_no_response",
            Self::Timeout(_) => "timeout",
            Self::WorkerCrashed => "worker_crashed",
            Self::MemoryLimit { .. } => "memory_limit",
            Self::Overloaded { .. } | Self::QueueTimeout { .. } => "overloaded",
            Self::StartFailed { .. } => "worker_start_failed",
            Self::Retired => "function_retired",
            Self::HeadTooLarge { .. } => "headers_too_large",
        }
    }

    /// HTTP status to answer with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::HandlerError { .. } | Self::NoResponse { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::WorkerCrashed | Self::MemoryLimit { .. } => StatusCode::BAD_GATEWAY,
            Self::Overloaded { .. }
            | Self::QueueTimeout { .. }
            | Self::StartFailed { .. }
            | Self::Retired => StatusCode::SERVICE_UNAVAILABLE,
            Self::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    /// When to try again, where that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded { retry_after } | Self::QueueTimeout { retry_after } => Some(*retry_after),
            Self::HandlerError { .. }
            | Self::NoResponse { .. }
            | Self::Timeout(_)
            | Self::WorkerCrashed
            | Self::MemoryLimit { .. }
            | Self::StartFailed { .. }
            | Self::Retired
            | Self::HeadTooLarge { .. } => None,
        }
    }
}
