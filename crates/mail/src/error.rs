//! What can go wrong with mail before it is in the queue, and with what was kept.

use crate::message::{
    ATTACHMENT_BYTES_MAX, ATTACHMENTS_MAX, RECIPIENTS_MAX, SUBJECT_CHARS_MAX, TEXT_BYTES_MAX,
};
use credentials::TooMany;
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
    #[error("a recipient is not a valid e-mail address: write the address alone, without a name")]
    Recipient,
    /// There is nobody to send it to, or there are too many.
    #[error("a mail has one to {RECIPIENTS_MAX} recipients: `to`, and with `cc` and `bcc` no more than that")]
    Recipients,
    /// The sender is none, or of another domain.
    #[error("`from` has to be `Name <address>` or an address, of the domain that `mail.from` has")]
    Sender,
    /// The address for answers is none.
    #[error("`replyTo` has to be `Name <address>` or an address")]
    ReplyTo,
    /// An attachment has no name, or no type.
    #[error("an attachment has a `filename` of one line and a `contentType` such as application/pdf")]
    Attachment,
    /// There is too much.
    #[error("a mail has at most {ATTACHMENTS_MAX} attachments with {ATTACHMENT_BYTES_MAX} bytes together")]
    TooMuchAttached,
    /// The subject is empty, too long, or holds line breaks or other control characters.
    #[error("a subject has 1 to {SUBJECT_CHARS_MAX} printable characters")]
    Subject,
    /// The text is too long.
    #[error("the text of a mail has at most {TEXT_BYTES_MAX} bytes, and its HTML too")]
    TextTooLong,
    /// Applications send nothing where no mail server is set.
    #[error("this server sends no mail: set `mail.smtp_url` (BUNBASE_MAIL__SMTP_URL), and start it again")]
    NoServer,
    /// The project sends too much.
    #[error("the project sends too many mails: try again later, or raise `mail.per_project_per_minute_max`")]
    TooMany(#[source] TooMany),
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
            Self::Recipient
            | Self::Recipients
            | Self::Sender
            | Self::ReplyTo
            | Self::Attachment
            | Self::Subject => ErrorCode::InvalidRequest,
            Self::TextTooLong | Self::TooMuchAttached => ErrorCode::BodyTooLarge,
            Self::NoServer => ErrorCode::Unavailable,
            Self::TooMany(_) => ErrorCode::RateLimited,
            Self::QueueFull => ErrorCode::Overloaded,
            Self::ShuttingDown => ErrorCode::ShuttingDown,
            Self::NotFound => ErrorCode::NotFound,
            Self::SmtpUrl(_) | Self::From | Self::Directory { .. } | Self::Build(_) | Self::Capture(_) => {
                ErrorCode::Internal
            }
        }
    }
}
