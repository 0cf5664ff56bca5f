//! What can go wrong with functions, besides their calls.

use crate::application::LoadError as ApplicationError;
use crate::manifest::ManifestError;
use jobs::JobsError;
use ports::secrets::SecretsError;
use run_log::RunLogError;
use serde_json::{Value, json};
use service_kit::error::{ApiError, Classify, ErrorCode};
use sql::SqlError;
use std::time::Duration;
use worker_pool::LoadError;

/// Lines of a stack that a developer gets.
const STACK_LINES_MAX: usize = 8;
/// Characters of a text that came out of a bundle, in an error.
const TEXT_CHARACTERS_MAX: usize = 1 << 10;
/// When to try again where too many deployments run at once.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The workers.
    #[error("the workers could not be started")]
    Pool(#[from] worker_pool::PoolError),
    /// The lane.
    #[error("the QuickJS lane could not be started")]
    Lane(#[from] quickjs_lane::LaneError),
    /// The registry of functions.
    #[error("the registry of functions could not be opened")]
    Store(#[from] SqlError),
    /// A function.
    #[error("the function {name} could not be registered")]
    Function {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: Box<FunctionsError>,
    },
    /// The bundles.
    #[error("the directory {path} cannot be used")]
    Files {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// An operation on functions failed.
#[derive(Debug, thiserror::Error)]
pub enum FunctionsError {
    /// A name breaks its rule.
    #[error("the name of the {what} is not valid: {rule}")]
    InvalidName {
        /// Of what.
        what: &'static str,
        /// What would be valid.
        rule: &'static str,
    },
    /// A setting is out of its range.
    #[error("`{name}` has to be between {min} and {max}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// A part of the request does not fit.
    #[error("{0}")]
    Invalid(&'static str),
    /// The code is too large.
    #[error("the {what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Source or bundle.
        what: &'static str,
        /// The limit.
        limit_bytes: usize,
    },
    /// The code cannot take calls.
    #[error("{message}")]
    Bundle {
        /// What is wrong.
        message: String,
        /// Where.
        details: Value,
    },
    /// The manifest is not valid.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The application cannot take calls.
    #[error(transparent)]
    Application(#[from] ApplicationError),
    /// The archive cannot be taken.
    #[error("the archive cannot be deployed: {problem}")]
    Archive {
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such function in the project.
    #[error("there is no such function in this project")]
    NotFound,
    /// The function has no such version or alias.
    #[error("the function has no such version or alias")]
    VersionNotFound,
    /// No version of the function takes calls.
    #[error("no version of this function is deployed")]
    NotDeployed,
    /// No other version was active before.
    #[error("there is no version to go back to: name one of those that `versions` lists")]
    NoPrevious,
    /// Calls over HTTP do not start the function.
    #[error("the function has no trigger of the kind http")]
    NoHttpTrigger,
    /// No handler takes the path.
    #[error(
        "no handler of the function takes this path; `bunbase functions describe` lists those that they take"
    )]
    NoPath,
    /// No handler takes the path with this method.
    #[error("this path is there, but not with this method; it takes {allow}")]
    NoMethod {
        /// Those that it takes, as in the header `Allow`.
        allow: String,
    },
    /// The version that takes the call has no such handler.
    #[error("the version has no handler of this name")]
    NoHandler,
    /// There is no such variable.
    #[error("there is no such variable")]
    VariableNotFound,
    /// The variables of the function cannot be opened.
    #[error("the variables of the function cannot be opened at the moment; try again later")]
    EnvironmentClosed,
    /// The keeper of secrets refused or failed.
    #[error(transparent)]
    Secrets(SecretsError),
    /// There is no such domain in the project.
    #[error("there is no such domain in this project")]
    DomainNotFound,
    /// Another project has the domain.
    #[error("the domain is taken")]
    DomainTaken,
    /// The domain cannot be a project's.
    #[error("{0}")]
    DomainRefused(&'static str),
    /// The version exists with other code.
    #[error("version {version} exists with other code: choose another name, or leave `version` out")]
    VersionExists {
        /// Which.
        version: String,
    },
    /// A project has one application.
    #[error("the project has the application \"{name}\" already: remove it, or deploy under its name")]
    ApplicationExists {
        /// What it is called.
        name: String,
    },
    /// There are as many as there may be.
    #[error("there are {limit} {what} already: remove some, or raise `functions.{setting}`")]
    TooManyOf {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
        /// Where it is set.
        setting: &'static str,
    },
    /// Too many bundlers run.
    #[error("too many deployments are being bundled; try again later")]
    Busy,
    /// The project is being removed.
    #[error("there is no such project")]
    ProjectGone,
    /// The source imports the SDK and this program was built without it.
    #[error("this server was built without bunbase-js: build it with `make build`, or upload a bundle")]
    SdkMissing,
    /// No worker could be had.
    #[error("no worker could be started; try again later")]
    Worker(#[from] worker_pool::StartError),
    /// The bundler could not be run.
    #[error("the bundler could not be run")]
    Builder(#[source] std::io::Error),
    /// A bundle could not be read or written.
    #[error("the bundle could not be stored")]
    Files(#[source] std::io::Error),
    /// The registry failed.
    #[error("the registry of functions failed")]
    Store(#[from] SqlError),
    /// The log failed.
    #[error("the log of the function failed")]
    Logs(#[from] RunLogError),
    /// The jobs of the project.
    #[error("the jobs of the project could not be changed")]
    Jobs(#[from] JobsError),
    /// The task that worked on it ended.
    #[error("the work was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl From<sqlx::Error> for FunctionsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Classify for FunctionsError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidName { .. } => ErrorCode::InvalidName,
            Self::Setting { .. } | Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::TooLarge { .. } => ErrorCode::BodyTooLarge,
            Self::Bundle { .. } => ErrorCode::InvalidBundle,
            Self::Manifest(_) => ErrorCode::InvalidManifest,
            Self::Application(error) => error.code(),
            Self::Archive { .. } => ErrorCode::InvalidArchive,
            Self::NotFound => ErrorCode::FunctionNotFound,
            Self::VersionNotFound | Self::NoPrevious => ErrorCode::VersionNotFound,
            Self::NotDeployed => ErrorCode::FunctionNotDeployed,
            Self::NoHttpTrigger | Self::NoPath | Self::NoHandler => ErrorCode::NotFound,
            Self::NoMethod { .. } => ErrorCode::MethodNotAllowed,
            Self::VariableNotFound => ErrorCode::VariableNotFound,
            Self::EnvironmentClosed => ErrorCode::EnvironmentUnavailable,
            Self::Secrets(error) => of_secrets(error),
            Self::DomainNotFound => ErrorCode::DomainNotFound,
            Self::DomainTaken => ErrorCode::Conflict,
            Self::DomainRefused(_) => ErrorCode::Forbidden,
            Self::VersionExists { .. } => ErrorCode::VersionExists,
            Self::ApplicationExists { .. } => ErrorCode::Conflict,
            Self::TooManyOf { .. } => ErrorCode::LimitExceeded,
            Self::Busy => ErrorCode::Overloaded,
            Self::ProjectGone => ErrorCode::ProjectNotFound,
            Self::SdkMissing | Self::Worker(_) => ErrorCode::Unavailable,
            Self::Files(error) | Self::Builder(error) => of_io(error),
            Self::Store(error) => error.code(),
            Self::Logs(error) => error.code(),
            Self::Jobs(error) => error.code(),
            Self::Interrupted(_) => ErrorCode::Internal,
        }
    }
}

fn of_secrets(error: &SecretsError) -> ErrorCode {
    match error {
        SecretsError::NotFound => ErrorCode::SecretNotFound,
        SecretsError::Invalid(_) => ErrorCode::InvalidRequest,
        SecretsError::NotSealedHere | SecretsError::Unavailable(_) => ErrorCode::EnvironmentUnavailable,
    }
}

fn of_io(error: &std::io::Error) -> ErrorCode {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
        _ => ErrorCode::Internal,
    }
}

impl FunctionsError {
    /// A version that cannot be imported.
    pub(crate) fn of_import(error: LoadError) -> Self {
        let reason = error.code();
        match error {
            LoadError::Start(source) => Self::Worker(source),
            LoadError::Import { message, stack } => {
                let lines: Vec<&str> = stack.lines().take(STACK_LINES_MAX).collect();
                let place = first_place(&stack).map(|place| format!(" at {place}")).unwrap_or_default();
                Self::Bundle {
                    message: format!("the bundle could not be imported: {}{place}", cut(&message)),
                    details: json!({ "reason": reason, "stack": cut(&lines.join("\n")) }),
                }
            }
            other
            @ (LoadError::MissingHandler { .. } | LoadError::Timeout(_) | LoadError::Crashed { .. }) => {
                Self::Bundle { message: cut(&other.to_string()), details: json!({ "reason": reason }) }
            }
        }
    }

    /// As the caller gets it, with the details that it has.
    pub(crate) fn into_api(self) -> ApiError {
        let error = ApiError::from_error(&self);
        match self {
            Self::Bundle { details, .. } => error.with_details(details),
            Self::Manifest(invalid) => error.with_details(json!({ "place": invalid.place })),
            Self::NoMethod { allow } => error.with_details(json!({ "allow": allow })),
            Self::TooLarge { limit_bytes, .. } => error.with_details(json!({ "limit_bytes": limit_bytes })),
            Self::Busy | Self::Worker(_) | Self::EnvironmentClosed => error.retry_after(BUSY_RETRY_AFTER),
            _ => error,
        }
    }
}

/// `file:line:column` of the innermost call of a stack: `at name (place)` or `at place`.
fn first_place(stack: &str) -> Option<&str> {
    let call = stack.lines().find_map(|line| line.trim_start().strip_prefix("at "))?;
    Some(call.rsplit_once('(').map_or(call, |(_, place)| place.trim_end_matches(')')))
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARACTERS_MAX).collect()
}
