//! Errors as callers of the API see them: one shape, stable codes, and the code's HTTP status in one
//! place. What the log keeps is said separately (`ApiError::internal`).

use crate::ids::ErrorId;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::time::Duration;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident;)*) => {
        /// What went wrong, for programs. Codes are stable: they are added, never renamed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode { $($(#[$doc])* $name,)* }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it stands in answers.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

error_codes! {
    /// The body, a parameter or a header is malformed.
    InvalidRequest = "invalid_request", BAD_REQUEST;
    /// The input of an action does not fit its schema; the details have `path` and `message` of each place.
    InvalidInput = "invalid_input", BAD_REQUEST;
    /// The body is not valid JSON.
    InvalidJson = "invalid_json", BAD_REQUEST;
    /// A name, id or slug breaks a rule.
    InvalidName = "invalid_name", BAD_REQUEST;
    /// The document is malformed, or nested too deeply.
    InvalidDocument = "invalid_document", BAD_REQUEST;
    /// The query, sort, cursor or field list is malformed.
    InvalidQuery = "invalid_query", BAD_REQUEST;
    /// The update does not parse or does not fit the document.
    InvalidUpdate = "invalid_update", BAD_REQUEST;
    /// The index specification is malformed.
    InvalidIndex = "invalid_index", BAD_REQUEST;
    /// A rule does not parse or costs too much.
    InvalidRule = "invalid_rule", BAD_REQUEST;
    /// A query would take more work than it may.
    QueryTooExpensive = "query_too_expensive", BAD_REQUEST;
    /// The bundle does not parse, throws on import or has no handler.
    InvalidBundle = "invalid_bundle", BAD_REQUEST;
    /// The manifest is not valid; `place` in the details says where.
    InvalidManifest = "invalid_manifest", BAD_REQUEST;
    /// A migration of an application could not be applied, and its deployment was refused; the message says which and why.
    MigrationFailed = "migration_failed", BAD_REQUEST;
    /// The archive is broken, too large, holds what is no file, or has nothing to start from.
    InvalidArchive = "invalid_archive", BAD_REQUEST;
    /// The link's or the code's token is unknown, was used or is too old: ask for a new one.
    LinkInvalid = "link_invalid", BAD_REQUEST;
    /// The password is too short, too long or too common.
    WeakPassword = "weak_password", BAD_REQUEST;
    /// The bytes were not sealed with this key for this project, or were changed since.
    DecryptionFailed = "decryption_failed", BAD_REQUEST;
    /// SQLite refuses the statement; `code` in the details is the name of its result code.
    SqlError = "sql_error", BAD_REQUEST;
    /// The topic keeps no log.
    TopicNotDurable = "topic_not_durable", BAD_REQUEST;
    /// Nobody is signed in, or the key, cookie or token is not valid.
    Unauthenticated = "unauthenticated", UNAUTHORIZED;
    /// The action of an application is for people who are signed in.
    Unauthorized = "unauthorized", UNAUTHORIZED;
    /// E-mail or password is wrong.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED;
    /// The token is expired, was used, was revoked or never was one: get a new one.
    TokenInvalid = "token_invalid", UNAUTHORIZED;
    /// The webhook's signature is missing, wrong or too old.
    InvalidSignature = "invalid_signature", UNAUTHORIZED;
    /// The caller may know of it and may not do this.
    Forbidden = "forbidden", FORBIDDEN;
    /// Accounts are not open to registration.
    RegistrationClosed = "registration_closed", FORBIDDEN;
    /// The e-mail address has to be verified first.
    EmailNotVerified = "email_not_verified", FORBIDDEN;
    /// The account is disabled.
    AccountDisabled = "account_disabled", FORBIDDEN;
    /// Set-up was done before.
    SetupDone = "setup_done", FORBIDDEN;
    /// The request came from a site that may not act with this cookie.
    OriginNotAllowed = "origin_not_allowed", FORBIDDEN;
    /// There is nothing at this path.
    NotFound = "not_found", NOT_FOUND;
    /// No such project, or not one of the caller's.
    ProjectNotFound = "project_not_found", NOT_FOUND;
    /// No such key.
    KeyNotFound = "key_not_found", NOT_FOUND;
    /// No such function.
    FunctionNotFound = "function_not_found", NOT_FOUND;
    /// The function is there, and no version of it takes calls.
    FunctionNotDeployed = "function_not_deployed", NOT_FOUND;
    /// No such version or alias of the function.
    VersionNotFound = "version_not_found", NOT_FOUND;
    /// No such environment variable.
    VariableNotFound = "variable_not_found", NOT_FOUND;
    /// No such domain in the project.
    DomainNotFound = "domain_not_found", NOT_FOUND;
    /// No such collection.
    CollectionNotFound = "collection_not_found", NOT_FOUND;
    /// No such document.
    DocumentNotFound = "document_not_found", NOT_FOUND;
    /// No such index.
    IndexNotFound = "index_not_found", NOT_FOUND;
    /// No such open transaction of this caller.
    TransactionNotFound = "transaction_not_found", NOT_FOUND;
    /// No such member.
    MemberNotFound = "member_not_found", NOT_FOUND;
    /// No such invitation, token or session.
    AccountItemNotFound = "account_item_not_found", NOT_FOUND;
    /// No such end user.
    UserNotFound = "user_not_found", NOT_FOUND;
    /// No such secret, key or version of one.
    SecretNotFound = "secret_not_found", NOT_FOUND;
    /// No such key in the key-value store.
    KvKeyNotFound = "kv_key_not_found", NOT_FOUND;
    /// No such object.
    ObjectNotFound = "object_not_found", NOT_FOUND;
    /// No such topic.
    TopicNotFound = "topic_not_found", NOT_FOUND;
    /// No such job or dead letter.
    JobNotFound = "job_not_found", NOT_FOUND;
    /// No such schedule.
    ScheduleNotFound = "schedule_not_found", NOT_FOUND;
    /// The service is not part of this installation.
    ServiceNotEnabled = "service_not_enabled", NOT_FOUND;
    /// The path is there, not with this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED;
    /// The request did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT;
    /// The account is there already.
    AccountExists = "account_exists", CONFLICT;
    /// The version is there already with other code.
    VersionExists = "version_exists", CONFLICT;
    /// The collection is there already.
    CollectionExists = "collection_exists", CONFLICT;
    /// The document id is taken.
    DocumentExists = "document_exists", CONFLICT;
    /// An index of that name with another shape is there.
    IndexExists = "index_exists", CONFLICT;
    /// Another document has this key in a unique index.
    UniqueViolation = "unique_violation", CONFLICT;
    /// `if_version`, `if_absent` or `If-Match` does not hold.
    PreconditionFailed = "precondition_failed", CONFLICT;
    /// Others changed what the transaction read: nothing was written, try the whole of it again.
    TransactionConflict = "transaction_conflict", CONFLICT;
    /// The transaction was open or idle for too long: nothing was written, try the whole of it again.
    TransactionExpired = "transaction_expired", CONFLICT;
    /// The last owner of a project cannot leave it or become less.
    LastOwner = "last_owner", CONFLICT;
    /// The value is not one that this operation works on.
    WrongType = "wrong_type", CONFLICT;
    /// It is in use, or being removed.
    Conflict = "conflict", CONFLICT;
    /// The SQL transaction ended, or was idle and was rolled back.
    TransactionGone = "transaction_gone", GONE;
    /// The body is larger than the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE;
    /// A limit of the project or the account is reached.
    LimitExceeded = "limit_exceeded", PAYLOAD_TOO_LARGE;
    /// The result of a SQL statement is larger than the limit: read it in pages.
    ResultTooLarge = "result_too_large", PAYLOAD_TOO_LARGE;
    /// The body is not of a type that is understood here.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE;
    /// The range lies outside of the object.
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE;
    /// Too many requests; `Retry-After` says how long to wait.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS;
    /// Headers are larger than the limit.
    HeadersTooLarge = "headers_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE;
    /// A failure that is ours; the error id is in the log.
    Internal = "internal", INTERNAL_SERVER_ERROR;
    /// The function's handler threw; the stack is in the function's log.
    HandlerError = "handler_error", INTERNAL_SERVER_ERROR;
    /// The function's handler returned no `Response`.
    NoResponse = "no_response", INTERNAL_SERVER_ERROR;
    /// The worker that ran the call died.
    WorkerCrashed = "worker_crashed", BAD_GATEWAY;
    /// The worker went over its memory limit.
    MemoryLimit = "memory_limit", BAD_GATEWAY;
    /// A queue is full; try again after `Retry-After`.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE;
    /// Another SQL transaction is writing; try again.
    Busy = "busy", SERVICE_UNAVAILABLE;
    /// The variables of the function cannot be opened at the moment.
    EnvironmentUnavailable = "environment_unavailable", SERVICE_UNAVAILABLE;
    /// The disk is full; reads go on.
    DiskFull = "disk_full", SERVICE_UNAVAILABLE;
    /// A part of the server is not ready or stopped.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE;
    /// The server is shutting down.
    ShuttingDown = "shutting_down", SERVICE_UNAVAILABLE;
    /// The call took longer than it may.
    Timeout = "timeout", GATEWAY_TIMEOUT;
}

/// An error of a service that knows its code: the only bridge from errors inside to answers outside.
pub trait Classify: std::error::Error {
    /// The code of this error.
    fn code(&self) -> ErrorCode;
}

/// An error as the caller gets it: `{"error": {"code", "message", "details", "request_id"}}`. The
/// request id is added where the answer leaves (`routes`, `gateway`).
#[derive(Debug, Clone)]
pub struct ApiError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what is wrong and what to do.
    pub message: String,
    /// More, where there is more to say.
    pub details: Option<Value>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// An error with a code and a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, retry_after: None }
    }

    /// Adds details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Takes the code and text of a classified error; what is ours to mend is logged with its causes and
    /// told to the caller as an error id only.
    pub fn from_error<E: Classify + ?Sized>(error: &E) -> Self {
        match error.code() {
            ErrorCode::Internal => Self::internal(error),
            code => Self::new(code, error.to_string()),
        }
    }

    /// Logs `error` with its causes under a new error id; the caller gets that id.
    pub fn internal<E: std::error::Error + ?Sized>(error: &E) -> Self {
        let error_id = ErrorId::generate();
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        tracing::error!(%error_id, %error, ?causes, "request failed");
        Self::new(ErrorCode::Internal, format!("the server could not do this; see {error_id} in its log"))
            .with_details(json!({ "error_id": error_id }))
    }

    /// The JSON body.
    pub fn body(&self, request_id: Option<&str>) -> Vec<u8> {
        let mut error = json!({ "code": self.code.as_str(), "message": self.message });
        if let Some(details) = &self.details {
            error["details"] = details.clone();
        }
        if let Some(request_id) = request_id {
            error["request_id"] = request_id.into();
        }
        json!({ "error": error }).to_string().into_bytes()
    }

    /// The whole answer. The error itself goes along as an extension, so that layers above can see it.
    pub fn response(self, request_id: Option<&str>) -> Response {
        let mut response = Response::new(self.body(request_id).into());
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs_f64().ceil() as u64));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.response(None)
    }
}

impl<E: Classify> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self::from_error(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_never_422() {
        let codes: HashSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        assert!(ErrorCode::ALL.iter().all(|code| code.status() != StatusCode::UNPROCESSABLE_ENTITY));
    }

    #[test]
    fn the_documentation_lists_every_code_with_its_status() {
        let page = include_str!("../../../docs/errors.md");
        for code in ErrorCode::ALL {
            let row = format!("| `{}` | {} |", code.as_str(), code.status().as_u16());
            assert!(page.contains(&row), "docs/errors.md lacks: {row}");
        }
        assert_eq!(page.matches("\n| `").count(), ErrorCode::ALL.len());
    }

    #[test]
    fn the_body_has_the_one_shape() {
        let error =
            ApiError::new(ErrorCode::RateLimited, "slow down").retry_after(Duration::from_millis(1200));
        let body: Value = serde_json::from_slice(&error.body(Some("req_1"))).unwrap();
        assert_eq!(
            body,
            json!({"error": {"code": "rate_limited", "message": "slow down", "request_id": "req_1"}})
        );
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["retry-after"], "2");
    }
}
