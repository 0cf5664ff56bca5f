//! `/v1/app/mail`: mail of an application, over the channel of a worker alone. It goes the way of the server's own mail.

use ::mail::{Attachment, Mail, MailError, Mailer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;

/// Where actions send mail.
pub(super) const PATH: &str = "/v1/app/mail";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Message {
    to: Addresses,
    #[serde(default)]
    cc: Addresses,
    #[serde(default)]
    bcc: Addresses,
    from: Option<String>,
    reply_to: Option<String>,
    subject: String,
    #[serde(default)]
    text: String,
    html: Option<String>,
    #[serde(default)]
    attachments: Vec<File>,
}

/// One, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Addresses {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    filename: String,
    content_type: String,
    /// In base64 (RFC 4648 §4).
    content: String,
}

impl Default for Addresses {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Addresses {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(address) => vec![address],
            Self::Many(addresses) => addresses,
        }
    }
}

impl Message {
    fn mail(self) -> Result<Mail, ApiError> {
        let file = |File { filename, content_type, content }| {
            let content = STANDARD.decode(content).map_err(|_| MailError::Attachment)?;
            Ok(Attachment { filename, content_type, content })
        };
        let attachments: Result<_, MailError> = self.attachments.into_iter().map(file).collect();
        Ok(Mail {
            from: self.from,
            to: self.to.list(),
            cc: self.cc.list(),
            bcc: self.bcc.list(),
            reply_to: self.reply_to,
            subject: self.subject,
            text: self.text,
            html: self.html,
            attachments: attachments?,
        })
    }
}

/// Takes one message: `{id, captured}`.
pub(super) fn answer(
    mailer: Option<&Mailer>,
    (project, body): (&ProjectId, &[u8]),
) -> Result<http::Response<Bytes>, ApiError> {
    let wrong = |error: serde_json::Error| ApiError::new(ErrorCode::InvalidRequest, error.to_string());
    let mailer = mailer.ok_or(MailError::NoServer)?;
    let id = mailer.send_for(project, serde_json::from_slice::<Message>(body).map_err(wrong)?.mail()?)?;
    let answer = json!({ "id": id.to_string(), "captured": !mailer.delivers() });
    Ok(http::Response::new(answer.to_string().into()))
}
