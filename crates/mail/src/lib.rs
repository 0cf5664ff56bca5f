//! Mail: taken into a bounded queue, delivered by SMTP in the background; where no mail server is set it is
//! kept as files that whoever runs the server can read. Knows no accounts: others write the texts.
//!
//! What must hold: whoever sends never waits for a mail server; what waits is bounded in number and in bytes; nothing
//! in a recipient or a subject can become a header; texts (they hold links that let people in) and whole addresses stay out of the logs.

mod capture;
mod config;
mod delivery;
mod error;
mod http;
mod mailer;
mod message;
mod metrics;
mod smtp;

pub use capture::CapturedMail;
pub use config::MailConfig;
pub use error::MailError;
pub use mailer::Mailer;
pub use message::{
    ATTACHMENT_BYTES_MAX, ATTACHMENTS_MAX, Attachment, Mail, RECIPIENTS_MAX, SUBJECT_CHARS_MAX,
    TEXT_BYTES_MAX,
};
