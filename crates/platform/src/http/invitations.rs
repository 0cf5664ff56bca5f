//! Inviting people, and `/v1/invitations/accept`.

use super::Platform;
use super::projects::{Project, shown};
use crate::invitations::Guest;
use crate::store::InvitationRow;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{InvalidHeaderValue, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use ports::access::{Action, Caller, Credentials, Grant, Role, SESSION_COOKIE};
use routes::{Need, Recording, Route, Routes};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

pub(super) fn mount(routes: Routes<Platform>) -> Routes<Platform> {
    use ErrorCode::{
        AccountItemNotFound, Conflict, Forbidden, InvalidRequest, LimitExceeded, LinkInvalid, Overloaded,
        ProjectNotFound, RateLimited, Unauthenticated, WeakPassword,
    };
    let invite = Route::post("/v1/projects/{project}/members", Need::Project(Action::MemberWrite))
        .summary("Invite an address into a project; an older invitation to it ends")
        .body::<InviteBody>()
        .answers::<InvitedAnswer>(201, "the invitation; the link, where no mail is set up")
        .errors(&[
            InvalidRequest,
            ProjectNotFound,
            Forbidden,
            Conflict,
            LimitExceeded,
            RateLimited,
            Overloaded,
        ]);
    let withdraw_one =
        Route::delete("/v1/projects/{project}/invitations/{invitation}", Need::Project(Action::MemberWrite))
            .summary("Take an invitation back, at once")
            .answers_plain("204", "the link opens nothing any more")
            .errors(&[AccountItemNotFound, ProjectNotFound, Forbidden]);
    let enter = Route::post("/v1/invitations/accept", Need::Nobody)
        .summary("Accept an invitation, once: signed in to the invited account, or making it")
        .body::<AcceptBody>()
        .answers::<AcceptedAnswer>(200, "the project; the cookie is set where an account was made")
        .errors(&[InvalidRequest, LinkInvalid, WeakPassword, Unauthenticated, Forbidden]);
    routes.add(invite, create).add(withdraw_one, withdraw).add(enter, accept)
}

/// Somebody to be invited.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewInvitation)]
#[serde(deny_unknown_fields)]
struct InviteBody {
    /// The e-mail address; upper and lower case are the same.
    email: String,
    /// `owner`, `admin`, `member` or `viewer`; only owners invite owners.
    #[schema(value_type = String)]
    role: Role,
}

/// An open invitation.
#[derive(Serialize, ToSchema)]
pub(super) struct Invitation {
    /// `ivt_…`.
    id: String,
    /// The invited address.
    email: String,
    /// The role that it gives.
    role: String,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    expires_at: String,
}

impl From<InvitationRow> for Invitation {
    fn from(row: InvitationRow) -> Self {
        let (created_at, expires_at) = (rfc3339(row.created_at), rfc3339(row.expires_at));
        Self { id: row.id, email: row.email, role: row.role, created_at, expires_at }
    }
}

/// A new invitation.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedInvitation)]
struct InvitedAnswer {
    /// The invitation.
    invitation: Invitation,
    /// The link to send to the invited person, where this server sends no mail; shown this once.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_link")]
    #[schema(value_type = Option<String>)]
    link: Option<SecretString>,
}

fn shown_link<S: serde::Serializer>(link: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    match link {
        Some(link) => shown(link, serializer),
        None => serializer.serialize_none(),
    }
}

/// An invitation to be accepted.
#[derive(Deserialize, ToSchema)]
#[schema(as = InvitationAcceptance)]
#[serde(deny_unknown_fields)]
struct AcceptBody {
    /// The token from the link.
    token: String,
    /// For the new account, where the invited address has none.
    #[schema(format = Password)]
    password: Option<String>,
    /// For the new account.
    name: Option<String>,
}

/// An accepted invitation.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedInvitation)]
struct AcceptedAnswer {
    /// The project, with the role.
    project: Project,
}

async fn create(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Json(body): Json<InviteBody>,
) -> Result<(StatusCode, Extension<Recording>, Json<InvitedAnswer>), ApiError> {
    let invited = service.invite(&grant, &body.email, body.role).await.map_err(|error| error.answer())?;
    let row = &invited.invitation;
    let recording = Recording::default()
        .target("invitation", &row.id)
        .target("email", &row.email)
        .target("role", &row.role);
    let answer = InvitedAnswer { invitation: invited.invitation.into(), link: invited.link };
    Ok((StatusCode::CREATED, Extension(recording), Json(answer)))
}

async fn withdraw(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Path((_, invitation)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    service.withdraw_invitation(&grant, &invitation).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn accept(
    State(service): State<Platform>,
    headers: HeaderMap,
    Json(body): Json<AcceptBody>,
) -> Result<Response, ApiError> {
    let guest = Guest {
        token: body.token.into(),
        session: Credentials::from_headers(&headers, None).session,
        password: body.password.map(SecretString::from),
        name: body.name,
    };
    let accepted = service.accept_invitation(guest).await.map_err(|error| error.answer())?;
    let caller = Caller::Developer { user: accepted.account, role: None, token: None };
    let mut recording = Recording::default().caller(caller).project(accepted.project_id);
    if let Some(role) = &accepted.project.role {
        recording = recording.target("role", role);
    }
    let answer = Json(AcceptedAnswer { project: accepted.project.into() });
    let mut response = (Extension(recording), answer).into_response();
    if let Some(session) = accepted.session {
        let cookie = cookie(&service, &session).map_err(|error| ApiError::internal(&error))?;
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The session cookie (RFC 6265) of the account that was made.
fn cookie(service: &Platform, session: &SecretString) -> Result<HeaderValue, InvalidHeaderValue> {
    let secure = if service.cookie.secure { "; Secure" } else { "" };
    let text = format!(
        "{SESSION_COOKIE}={}; HttpOnly; SameSite=Lax; Path=/; Max-Age={}{secure}",
        session.expose_secret(),
        service.cookie.max_age_seconds
    );
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}
