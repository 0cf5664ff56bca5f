//! Captured mail over HTTP, for whoever runs the server.

use crate::capture::CapturedMail;
use crate::error::MailError;
use crate::mailer::Mailer;
use axum::extract::{Path, State};
use ports::access::Access;
use routes::{Need, Route, Routes, ServiceRoutes};
use serde::Serialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::MailId;
use service_kit::json::Json;
use std::sync::Arc;
use utoipa::ToSchema;

/// Captured mail.
#[derive(Serialize, ToSchema)]
#[schema(as = CapturedMailList)]
struct ListAnswer {
    /// Whether mail reaches people; the list is empty then.
    delivers: bool,
    /// The newest first.
    messages: Vec<Listed>,
}

/// A captured message without its text.
#[derive(Serialize, ToSchema)]
#[schema(as = CapturedMailListed)]
struct Listed {
    /// `eml_…`.
    id: String,
    /// The recipient.
    to: String,
    /// The subject.
    subject: String,
    /// RFC 3339.
    at: String,
}

impl From<CapturedMail> for Listed {
    fn from(mail: CapturedMail) -> Self {
        let CapturedMail { id, to, subject, at, .. } = mail;
        Self { id, to, subject, at }
    }
}

pub(crate) fn routes(mailer: Arc<Mailer>, access: Arc<dyn Access>) -> ServiceRoutes {
    let list = Route::get("/v1/instance/mail", Need::Operator)
        .summary("Mail that was captured because no mail server is set")
        .answers::<ListAnswer>(200, "the messages without their texts, the newest first");
    let one = Route::get("/v1/instance/mail/{mail}", Need::Operator)
        .summary("One captured message")
        .answers::<CapturedMail>(200, "the message")
        .errors(&[ErrorCode::NotFound]);
    Routes::new("mail", mailer, access).add(list, list_captured).add(one, show).finish()
}

async fn list_captured(State(mailer): State<Arc<Mailer>>) -> Result<Json<ListAnswer>, ApiError> {
    let mails = mailer.captured().await?;
    Ok(Json(ListAnswer {
        delivers: mailer.delivers(),
        messages: mails.into_iter().map(Listed::from).collect(),
    }))
}

async fn show(
    State(mailer): State<Arc<Mailer>>,
    Path(mail): Path<String>,
) -> Result<Json<CapturedMail>, ApiError> {
    let id = MailId::parse(&mail).map_err(|_| MailError::NotFound)?;
    Ok(Json(mailer.captured_one(id).await?))
}
