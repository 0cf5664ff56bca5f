//! `/v1/auth/project`: registering, signing in and out, refreshing; `/v1/auth/session`.

use super::body::{BODY_BYTES_MAX, Optional};
use super::user::{SignedInAnswer, UserAnswer};
use super::visitor::InProject;
use super::{ATTEMPT_ERRORS, Mounted, Service, cookie};
use crate::accounts::{Applicant, PasswordChange, Registered};
use crate::error::TenantAuthError;
use crate::limits::Visitor;
use crate::sessions::SignedIn;
use crate::standing::Live;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use credentials::Password;
use http::{HeaderMap, StatusCode, header};
use ports::access::Action;
use routes::{Need, Route};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use service_kit::json::Json;
use utoipa::ToSchema;

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserRegistration)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    /// The e-mail address; upper and lower case are the same.
    email: String,
    /// As many characters as the project wants, to 1,024 bytes.
    #[schema(value_type = String, format = Password)]
    password: Password,
    /// 1 to 100 characters.
    name: Option<String>,
}

/// Somebody who signs in.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserLogin)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    /// The e-mail address.
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Password,
}

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserRefresh)]
#[serde(deny_unknown_fields)]
struct RefreshBody {
    /// The refresh token that came last.
    refresh_token: String,
}

/// What is to be signed out besides the access token or cookie that comes along.
#[derive(Deserialize, Default, ToSchema)]
#[schema(as = EndUserLogout)]
#[serde(default, deny_unknown_fields)]
struct LogoutBody {
    /// The refresh token of the session that ends.
    refresh_token: Option<String>,
}

/// A new password for the old one.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserPasswordChange)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    /// The password as it is.
    #[schema(value_type = String, format = Password)]
    current_password: Password,
    /// The password as it is to be.
    #[schema(value_type = String, format = Password)]
    new_password: Password,
}

/// The answer where the address has to be verified first; the same for every address.
#[derive(Serialize, ToSchema)]
#[schema(as = EndUserMailSent)]
struct MailSentAnswer {
    /// `verification_sent`.
    status: &'static str,
}

pub(super) fn mount(routes: Mounted) -> Mounted {
    let post = |path, summary| {
        Route::post(path, Need::Key(Action::EndUserSignIn)).summary(summary).body_bytes_max(BODY_BYTES_MAX)
    };
    let register =
        post("/v1/auth/project/register", "Make an account, where the project is open to registration")
            .body::<RegisterBody>()
            .answers::<SignedInAnswer>(201, "signed in; the cookie is set")
            .answers::<MailSentAnswer>(202, "the project wants verified addresses: a mail says how to go on")
            .errors(ATTEMPT_ERRORS)
            .errors(&[ErrorCode::RegistrationClosed, ErrorCode::AccountExists, ErrorCode::LimitExceeded]);
    let log_in = post("/v1/auth/project/login", "Sign an end user in")
        .body::<LoginBody>()
        .answers::<SignedInAnswer>(200, "signed in; the cookie is set")
        .errors(ATTEMPT_ERRORS)
        .errors(&[ErrorCode::EmailNotVerified, ErrorCode::AccountDisabled]);
    let refresh = post("/v1/auth/project/refresh", "Exchange a refresh token, once")
        .body::<RefreshBody>()
        .answers::<SignedInAnswer>(200, "new tokens; the cookie is set");
    let log_out = post("/v1/auth/project/logout", "End the session of what comes along")
        .body::<LogoutBody>()
        .answers_plain("204", "signed out; the cookie is cleared");
    let password = post("/v1/auth/project/password", "Change the password; the user's other sessions end")
        .body::<PasswordBody>()
        .answers_plain("204", "changed")
        .errors(ATTEMPT_ERRORS);
    let session = Route::get("/v1/auth/session", Need::Key(Action::EndUserSignIn))
        .summary("Which end user is signed in")
        .answers::<UserAnswer>(200, "the user");
    routes
        .add(register, register_user)
        .add(log_in, log_user_in)
        .add(refresh, refresh_tokens)
        .add(log_out, log_user_out)
        .add(password, change_password)
        .add(session, current)
}

async fn register_user(
    State(service): State<Service>,
    visitor: Visitor,
    Json(body): Json<RegisterBody>,
) -> Result<Response, ApiError> {
    let applicant = Applicant { email: body.email, password: body.password, name: body.name };
    let registered = service.register(&visitor, applicant).await.map_err(|error| error.answer())?;
    match registered {
        Registered::SignedIn(signed_in) => {
            entered(&service, &visitor.project, StatusCode::CREATED, *signed_in)
        }
        Registered::MailSent => {
            let answer = Json(MailSentAnswer { status: "verification_sent" });
            Ok((StatusCode::ACCEPTED, answer).into_response())
        }
    }
}

async fn log_user_in(
    State(service): State<Service>,
    visitor: Visitor,
    Json(body): Json<LoginBody>,
) -> Result<Response, ApiError> {
    let signed_in = service.log_in(&visitor, &body.email, &body.password).await;
    entered(&service, &visitor.project, StatusCode::OK, signed_in.map_err(|error| error.answer())?)
}

async fn refresh_tokens(
    State(service): State<Service>,
    InProject(project): InProject,
    Json(body): Json<RefreshBody>,
) -> Result<Response, ApiError> {
    let signed_in = service.refresh(&project, &SecretString::from(body.refresh_token)).await?;
    entered(&service, &project, StatusCode::OK, signed_in)
}

async fn log_user_out(
    State(service): State<Service>,
    InProject(project): InProject,
    headers: HeaderMap,
    Optional(body): Optional<LogoutBody>,
) -> Result<Response, ApiError> {
    let refresh = body.refresh_token.map(SecretString::from);
    service.log_out(&project, cookie::presented(&headers).chain(refresh)).await?;
    let cookie = cookie::clear(&service).map_err(|error| ApiError::internal(&error))?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

async fn change_password(
    State(service): State<Service>,
    visitor: Visitor,
    headers: HeaderMap,
    Json(body): Json<PasswordBody>,
) -> Result<StatusCode, TenantAuthError> {
    let live = signed_in(&service, &visitor.project, &headers).await?;
    let PasswordBody { current_password, new_password } = body;
    service.change_password(&visitor, &live, PasswordChange { current_password, new_password }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn current(
    State(service): State<Service>,
    InProject(project): InProject,
    headers: HeaderMap,
) -> Result<Json<UserAnswer>, TenantAuthError> {
    let live = signed_in(&service, &project, &headers).await?;
    Ok(Json(UserAnswer::of(&project, live.known.user.clone())?))
}

/// Who is signed in by the access token, or else the cookie, of a request.
async fn signed_in(
    service: &Service,
    project: &ProjectId,
    headers: &HeaderMap,
) -> Result<Live, TenantAuthError> {
    let mut presented = cookie::presented(headers);
    let token = presented.next().ok_or(TenantAuthError::SignedOut)?;
    service.live(project, &token).await?.ok_or(TenantAuthError::TokenInvalid)
}

fn entered(
    service: &Service,
    project: &ProjectId,
    status: StatusCode,
    signed_in: SignedIn,
) -> Result<Response, ApiError> {
    let cookie = cookie::set(service, &signed_in.tokens).map_err(|error| ApiError::internal(&error))?;
    let answer = Json(SignedInAnswer::of(project, signed_in)?);
    let headers =
        [(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"))];
    Ok((status, headers, answer).into_response())
}
