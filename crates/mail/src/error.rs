//! What can go wrong with mail before it is in the queue, and with what was kept.

use crate::message::{SUBJECT_CHARS_MAX, TEXT_BYTES_MAX};
use service_kit::error::{Classify, ErrorCode};
use std::path::PathBuf;

/// An error of mail.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// `mail.smtp_url` is not usable; the text says why, without the address itself.
    #[error("`mail.smtp_url` is not valid: {0}")]
    SmtpUrl(&'static str),
    /// `mail.from` is no sender.
    #[error("`mail.from` is not valid: it must be `Name <address>` or an e-mail address")]
    From,
    /// The directory for captured mail cannot be made or read.
    #[error("cannot use the directory {} for captured mail", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The recipient is no e-mail address.
    #[error("the recipient is not a valid e-mail address")]
    Recipient,
    /// The subject is empty, too long, or holds line breaks or other control characters.
    #[error("a subject has 1 to {SUBJECT_CHARS_MAX} printable characters")]
    Subject,
    /// The text is too long.
    #[error("the text of a mail has at most {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
    /// The message could not be put together.
    #[error("the message could not be put together")]
    Build(#[source] lettre::error::Error),
    /// Every place in the queue is taken.
    #[error("too many messages wait to be sent: try again in a moment")]
    QueueFull,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// There is no such captured message.
    #[error("there is no such message")]
    NotFound,
    /// Captured mail could not be written or read.
    #[error("captured mail could not be written or read")]
    Capture(#[source] std::io::Error),
}

impl Classify for MailError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Recipient | Self::Subject | Self::TextTooLong => ErrorCode::InvalidRequest,
            Self::QueueFull => ErrorCode::Overloaded,
            Self::ShuttingDown => ErrorCode::ShuttingDown,
            Self::NotFound => ErrorCode::NotFound,
            Self::SmtpUrl(_) | Self::From | Self::Directory { .. } | Self::Build(_) | Self::Capture(_) => {
                ErrorCode::Internal
            }
        }
    }
}
