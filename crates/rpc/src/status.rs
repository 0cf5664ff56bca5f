//! Errors of ports as gRPC statuses and back. The stable code stands in the metadata, so that the client
//! returns the same variant; a status without one comes from the connection, or from the gate, and is the
//! port's `Unavailable`.

use ports::access::AccessError;
use ports::documents::DocumentsError;
use ports::events::{BusError, InvalidTopic};
use ports::identity::IdentityError;
use ports::jobs::QueueError;
use ports::secrets::SecretsError;
use service_kit::error::{Classify, ErrorCode};
use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

pub(crate) const CODE: &str = "bunbase-code";
const DETAIL: &str = "bunbase-detail";
/// Tells a slow subscriber's end from other overload.
const TOO_SLOW: &str = "too-slow";
/// Texts of other processes that this one keeps for good: those of a program, of which there are few.
const TEXTS_MAX: usize = 256;
/// The longest of them, in bytes.
const TEXT_BYTES_MAX: usize = 512;

type Cause = Box<dyn Error + Send + Sync>;

/// What a status says about a port's error.
pub(crate) struct Told {
    code: ErrorCode,
    message: String,
    detail: Option<String>,
}

/// An error of a port that crosses.
pub(crate) trait Crosses: Classify + Sized + 'static {
    /// What the code and the text do not say.
    fn detail(&self) -> Option<String> {
        None
    }

    /// The same error again; `None` where it is `Unavailable`, or unknown here.
    fn again(told: Told) -> Option<Self>;

    /// The port cannot be reached, or could not do it.
    fn unavailable(cause: Cause) -> Self;
}

/// The status of a port's error. The causes of what is ours to mend stay in this process's log.
pub(crate) fn to_status<E: Crosses>(error: &E) -> Status {
    let code = error.code();
    if matches!(code, ErrorCode::Unavailable | ErrorCode::Internal) {
        tracing::warn!(error = error as &dyn Error, "a call from another process failed");
    }
    let mut status = Status::new(grpc_code(code), error.to_string());
    status.metadata_mut().insert(CODE, MetadataValue::from_static(code.as_str()));
    if let Some(detail) = error.detail().and_then(|text| MetadataValue::try_from(text).ok()) {
        status.metadata_mut().insert(DETAIL, detail);
    }
    status
}

/// The port's error of a status.
pub(crate) fn from_status<E: Crosses>(status: Status) -> E {
    told(&status).and_then(E::again).unwrap_or_else(|| E::unavailable(Box::new(status)))
}

/// Whether the other end answered as a port, and was not cut off or kept out.
pub(crate) fn is_from_port(status: &Status) -> bool {
    status.metadata().contains_key(CODE)
}

fn told(status: &Status) -> Option<Told> {
    let text = |name: &str| status.metadata().get(name).and_then(|value| value.to_str().ok());
    let code = text(CODE)?;
    let code = ErrorCode::ALL.iter().copied().find(|known| known.as_str() == code)?;
    Some(Told { code, message: status.message().to_owned(), detail: text(DETAIL).map(str::to_owned) })
}

pub(crate) fn grpc_code(code: ErrorCode) -> Code {
    match code {
        ErrorCode::TransactionConflict | ErrorCode::TransactionExpired => return Code::Aborted,
        ErrorCode::DocumentExists
        | ErrorCode::CollectionExists
        | ErrorCode::IndexExists
        | ErrorCode::UniqueViolation => return Code::AlreadyExists,
        _ => {}
    }
    match code.status().as_u16() {
        400 | 415 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::FailedPrecondition,
        413 | 429 | 431 => Code::ResourceExhausted,
        503 => Code::Unavailable,
        408 | 504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}

/// Texts that came from other processes and stand in errors as `&'static str`.
struct Texts(Mutex<BTreeSet<&'static str>>);

static TEXTS: Texts = Texts(Mutex::new(BTreeSet::new()));

impl Texts {
    /// `text` for the life of the process; `otherwise` where there are too many already.
    fn keep(&self, text: &str, otherwise: &'static str) -> &'static str {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = texts.get(text) {
            return known;
        }
        if texts.len() >= TEXTS_MAX || text.len() > TEXT_BYTES_MAX {
            return otherwise;
        }
        let text: &'static str = Box::leak(text.to_owned().into_boxed_str());
        texts.insert(text);
        text
    }
}

impl Crosses for AccessError {
    fn again(told: Told) -> Option<Self> {
        match told.code {
            ErrorCode::Unauthenticated => {
                Some(Self::Unauthenticated(TEXTS.keep(&told.message, "sign in, or bring a key or a token")))
            }
            ErrorCode::TokenInvalid => Some(Self::EndUserToken),
            ErrorCode::Forbidden => Some(Self::Forbidden(TEXTS.keep(&told.message, "this is not allowed"))),
            ErrorCode::ProjectNotFound => Some(Self::ProjectNotFound),
            _ => None,
        }
    }

    fn unavailable(cause: Cause) -> Self {
        Self::Unavailable(cause)
    }
}

impl Crosses for DocumentsError {
    fn detail(&self) -> Option<String> {
        match self {
            Self::Invalid(reason) => Some(reason.clone()),
            Self::NotFound | Self::Conflict | Self::Duplicate | Self::Unavailable(_) => None,
        }
    }

    fn again(told: Told) -> Option<Self> {
        match told.code {
            ErrorCode::DocumentNotFound => Some(Self::NotFound),
            ErrorCode::PreconditionFailed => Some(Self::Conflict),
            ErrorCode::UniqueViolation => Some(Self::Duplicate),
            ErrorCode::Internal => Some(Self::Invalid(told.detail.unwrap_or(told.message))),
            _ => None,
        }
    }

    fn unavailable(cause: Cause) -> Self {
        Self::Unavailable(cause)
    }
}

impl Crosses for SecretsError {
    fn again(told: Told) -> Option<Self> {
        match told.code {
            ErrorCode::SecretNotFound => Some(Self::NotFound),
            ErrorCode::InvalidRequest => Some(Self::Invalid(told.message)),
            ErrorCode::DecryptionFailed => Some(Self::NotSealedHere),
            _ => None,
        }
    }

    fn unavailable(cause: Cause) -> Self {
        Self::Unavailable(cause)
    }
}

impl Crosses for QueueError {
    fn again(told: Told) -> Option<Self> {
        match told.code {
            ErrorCode::InvalidRequest => Some(Self::Invalid(told.message)),
            ErrorCode::BodyTooLarge => Some(Self::TooLarge(told.message)),
            ErrorCode::LimitExceeded => Some(Self::LimitExceeded(told.message)),
            ErrorCode::DiskFull => Some(Self::DiskFull),
            _ => None,
        }
    }

    fn unavailable(cause: Cause) -> Self {
        Self::Unavailable(cause)
    }
}

impl Crosses for IdentityError {
    /// A refusal may have any code, that of `Unavailable` too.
    fn detail(&self) -> Option<String> {
        matches!(self, Self::Refused { .. }).then(|| "refused".to_owned())
    }

    fn again(told: Told) -> Option<Self> {
        told.detail.map(|_| Self::Refused { code: told.code, message: told.message })
    }

    fn unavailable(cause: Cause) -> Self {
        Self::Unavailable(cause)
    }
}

impl Crosses for BusError {
    fn detail(&self) -> Option<String> {
        match self {
            Self::TooLarge { max } => Some(max.to_string()),
            Self::TooSlow => Some(TOO_SLOW.to_owned()),
            Self::Topic(_)
            | Self::Limit(_)
            | Self::NotDurable
            | Self::Overloaded(_)
            | Self::DiskFull
            | Self::Unavailable(_) => None,
        }
    }

    fn again(told: Told) -> Option<Self> {
        match told.code {
            ErrorCode::InvalidName => Some(Self::Topic(InvalidTopic)),
            ErrorCode::BodyTooLarge => Some(Self::TooLarge { max: told.detail?.parse().ok()? }),
            ErrorCode::LimitExceeded => {
                Some(Self::Limit(TEXTS.keep(&told.message, "a limit of topics or subscriptions is reached")))
            }
            ErrorCode::TopicNotDurable => Some(Self::NotDurable),
            ErrorCode::Overloaded if told.detail.as_deref() == Some(TOO_SLOW) => Some(Self::TooSlow),
            ErrorCode::Overloaded => Some(Self::Overloaded(TEXTS.keep(&told.message, "too much waits"))),
            ErrorCode::DiskFull => Some(Self::DiskFull),
            _ => None,
        }
    }

    fn unavailable(cause: Cause) -> Self {
        Self::Unavailable(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crosses<E: Crosses>(errors: Vec<E>) {
        for before in errors {
            let after: E = from_status(to_status(&before));
            assert_eq!(std::mem::discriminant(&before), std::mem::discriminant(&after), "{before}");
            assert_eq!((before.code(), before.to_string()), (after.code(), after.to_string()));
        }
    }

    fn cause() -> Cause {
        "the disk is gone".into()
    }

    #[test]
    fn every_variant_comes_back_as_itself() {
        crosses(vec![
            AccessError::Unauthenticated("bring a key"),
            AccessError::EndUserToken,
            AccessError::Forbidden("not you"),
            AccessError::ProjectNotFound,
            AccessError::Unavailable(cause()),
        ]);
        crosses(vec![
            DocumentsError::NotFound,
            DocumentsError::Conflict,
            DocumentsError::Duplicate,
            DocumentsError::Invalid("a filter".to_owned()),
            DocumentsError::Unavailable(cause()),
        ]);
        crosses(vec![
            SecretsError::NotFound,
            SecretsError::Invalid("a name".to_owned()),
            SecretsError::NotSealedHere,
            SecretsError::Unavailable(cause()),
        ]);
        let refused = |code| IdentityError::Refused { code, message: "not so".to_owned() };
        crosses(vec![
            refused(ErrorCode::InvalidCredentials),
            refused(ErrorCode::Unavailable),
            IdentityError::Unavailable(cause()),
        ]);
        crosses(vec![
            QueueError::Invalid("a queue needs a name".to_owned()),
            QueueError::TooLarge("a payload is too long".to_owned()),
            QueueError::LimitExceeded("too many jobs wait".to_owned()),
            QueueError::DiskFull,
            QueueError::Unavailable(cause()),
        ]);
        crosses(vec![
            BusError::Topic(InvalidTopic),
            BusError::TooLarge { max: 7 },
            BusError::Limit("too many"),
            BusError::NotDurable,
            BusError::TooSlow,
            BusError::Overloaded("the disk is slow"),
            BusError::DiskFull,
            BusError::Unavailable(cause()),
        ]);
    }

    #[test]
    fn a_status_of_the_connection_or_the_gate_is_unavailable() {
        for status in
            [Status::unauthenticated("no credential"), Status::not_found("x"), Status::unknown("reset")]
        {
            assert!(matches!(from_status(status), SecretsError::Unavailable(_)));
        }
    }

    #[test]
    fn what_other_processes_say_is_kept_up_to_a_bound() {
        let texts = Texts(Mutex::new(BTreeSet::new()));
        assert_eq!(texts.keep(&"x".repeat(TEXT_BYTES_MAX + 1), "too long"), "too long");
        let text = |n: usize| format!("text {n}");
        let kept = (0..TEXTS_MAX * 2).filter(|n| texts.keep(&text(*n), "") == text(*n)).count();
        assert_eq!(kept, TEXTS_MAX);
    }
}
