//! `/v1/setup` and `/v1/auth`.

use super::body::LimitedBody;
use super::cookie;
use crate::accounts::{Applicant, SignedIn};
use crate::error::AuthError;
use crate::service::AuthService;
use crate::store::Account;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use credentials::Password;
use http::{HeaderMap, StatusCode, header};
use ports::access::{Caller, Credentials, Grant};
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use service_kit::error::ApiError;
use service_kit::json::Json;
use std::sync::Arc;
use utoipa::ToSchema;

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewAccount)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccountBody {
    /// The e-mail address; upper and lower case are the same.
    email: String,
    /// 8 characters to 1,024 bytes.
    #[schema(value_type = String, format = Password)]
    password: Password,
    /// 1 to 100 characters.
    name: String,
}

/// Somebody who signs in.
#[derive(Deserialize, ToSchema)]
#[schema(as = Login)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginBody {
    /// The e-mail address.
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Password,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub(crate) struct User {
    /// `usr_…`.
    id: String,
    /// The e-mail address, in lower case.
    email: String,
    /// The name.
    name: String,
    /// Whether this account runs the server.
    is_instance_admin: bool,
    /// RFC 3339.
    created_at: String,
}

/// An account in an answer.
#[derive(Serialize, ToSchema)]
#[schema(as = UserAnswer)]
pub(crate) struct UserAnswer {
    /// The account.
    user: User,
}

impl From<Account> for UserAnswer {
    fn from(account: Account) -> Self {
        let created_at = rfc3339(account.created_at);
        let Account { id, email, name, is_instance_admin, .. } = account;
        Self { user: User { id, email, name, is_instance_admin, created_at } }
    }
}

impl From<NewAccountBody> for Applicant {
    fn from(body: NewAccountBody) -> Self {
        Self { email: body.email, password: body.password, name: body.name }
    }
}

fn signed_in(service: &AuthService, status: StatusCode, entered: SignedIn) -> Result<Response, ApiError> {
    let cookie = cookie::set(service, &entered.token).map_err(|error| ApiError::internal(&error))?;
    let answer = Json(UserAnswer::from(entered.account));
    Ok((status, [(header::SET_COOKIE, cookie)], answer).into_response())
}

pub(crate) async fn set_up(
    State(service): State<Arc<AuthService>>,
    LimitedBody(body): LimitedBody<NewAccountBody>,
) -> Result<Response, ApiError> {
    let entered = service.set_up(body.into()).await.map_err(|error| error.answer())?;
    signed_in(&service, StatusCode::CREATED, entered)
}

pub(crate) async fn register(
    State(service): State<Arc<AuthService>>,
    LimitedBody(body): LimitedBody<NewAccountBody>,
) -> Result<Response, ApiError> {
    let entered = service.register(body.into()).await.map_err(|error| error.answer())?;
    signed_in(&service, StatusCode::CREATED, entered)
}

pub(crate) async fn log_in(
    State(service): State<Arc<AuthService>>,
    LimitedBody(body): LimitedBody<LoginBody>,
) -> Result<Response, ApiError> {
    let entered = service.log_in(&body.email, &body.password).await.map_err(|error| error.answer())?;
    signed_in(&service, StatusCode::OK, entered)
}

pub(crate) async fn log_out(
    State(service): State<Arc<AuthService>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(token) = Credentials::from_headers(&headers, None).session {
        service.sessions.revoke(&service.store, &token).await?;
    }
    let cookie = cookie::clear(&service).map_err(|error| ApiError::internal(&error))?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

pub(crate) async fn me(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<UserAnswer>, AuthError> {
    let Caller::Developer { user, .. } = grant.caller else { return Err(AuthError::SignedOut) };
    Ok(Json(service.account(&user).await?.into()))
}
