//! `/v1/setup`, and of `/v1/auth`: registering, signing in and out, who is signed in.

use super::body::{LimitedBody, link_token};
use super::{cookie, developer, recorded};
use crate::accounts::{Applicant, SignedIn};
use crate::client::Client;
use crate::error::AuthError;
use crate::registration::Outcome;
use crate::service::AuthService;
use crate::store::Account;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use credentials::Password;
use http::{HeaderMap, StatusCode, header};
use ports::access::{Credentials, Grant};
use secrecy::SecretString;
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

/// The token of a link.
#[derive(Deserialize, ToSchema)]
#[schema(as = LinkToken)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkBody {
    /// As it stands in the link.
    #[schema(value_type = String)]
    #[serde(deserialize_with = "link_token")]
    token: SecretString,
}

/// What an account shows otherwise.
#[derive(Deserialize, ToSchema)]
#[schema(as = Profile)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileBody {
    /// 1 to 100 characters.
    name: String,
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
    let recorded = recorded(&entered.account.id)?;
    let answer = Json(UserAnswer::from(entered.account));
    Ok((status, [(header::SET_COOKIE, cookie)], recorded, answer).into_response())
}

pub(crate) async fn set_up(
    State(service): State<Arc<AuthService>>,
    client: Client,
    LimitedBody(body): LimitedBody<NewAccountBody>,
) -> Result<Response, ApiError> {
    let entered = service.set_up(body.into(), &client).await.map_err(|error| error.answer())?;
    signed_in(&service, StatusCode::CREATED, entered)
}

pub(crate) async fn register(
    State(service): State<Arc<AuthService>>,
    client: Client,
    LimitedBody(body): LimitedBody<NewAccountBody>,
) -> Result<Response, ApiError> {
    match service.register(body.into(), &client).await.map_err(|error| error.answer())? {
        Outcome::Made(entered) => signed_in(&service, StatusCode::CREATED, entered),
        Outcome::Mailed => Ok(StatusCode::ACCEPTED.into_response()),
    }
}

pub(crate) async fn confirm(
    State(service): State<Arc<AuthService>>,
    client: Client,
    LimitedBody(body): LimitedBody<LinkBody>,
) -> Result<Response, ApiError> {
    let entered = service.confirm_registration(&body.token, &client).await.map_err(|error| error.answer())?;
    signed_in(&service, StatusCode::CREATED, entered)
}

pub(crate) async fn log_in(
    State(service): State<Arc<AuthService>>,
    client: Client,
    LimitedBody(body): LimitedBody<LoginBody>,
) -> Result<Response, ApiError> {
    let entered =
        service.log_in(&body.email, &body.password, &client).await.map_err(|error| error.answer())?;
    signed_in(&service, StatusCode::OK, entered)
}

pub(crate) async fn log_out(
    State(service): State<Arc<AuthService>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(token) = Credentials::from_headers(&headers, None).session {
        service.sign_out(&token).await?;
    }
    let cookie = cookie::clear(&service).map_err(|error| ApiError::internal(&error))?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

pub(crate) async fn me(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<UserAnswer>, AuthError> {
    Ok(Json(service.account(developer(&grant)?).await?.into()))
}

pub(crate) async fn change_profile(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
    Json(body): Json<ProfileBody>,
) -> Result<Json<UserAnswer>, AuthError> {
    Ok(Json(service.rename(developer(&grant)?, &body.name).await?.into()))
}
