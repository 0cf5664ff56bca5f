//! `/v1/auth/password`: changing a password, and setting one anew by mail.

use super::body::{LimitedBody, link_token};
use super::{developer, recorded, session};
use crate::client::Client;
use crate::error::AuthError;
use crate::passwords::WantedPassword;
use crate::service::AuthService;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use credentials::Password;
use http::{HeaderMap, StatusCode};
use ports::access::Grant;
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Another password.
#[derive(Deserialize, ToSchema)]
#[schema(as = PasswordChange)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeBody {
    /// The password until now.
    #[schema(value_type = String, format = Password)]
    current_password: Password,
    /// 8 characters to 1,024 bytes.
    #[schema(value_type = String, format = Password)]
    new_password: Password,
}

/// Somebody who lost a password.
#[derive(Deserialize, ToSchema)]
#[schema(as = PasswordForgotten)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForgotBody {
    /// The e-mail address.
    email: String,
}

/// A new password, by the token of a link.
#[derive(Deserialize, ToSchema)]
#[schema(as = PasswordReset)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetBody {
    /// As it stands in the link.
    #[schema(value_type = String)]
    #[serde(deserialize_with = "link_token")]
    token: SecretString,
    /// 8 characters to 1,024 bytes.
    #[schema(value_type = String, format = Password)]
    password: Password,
}

pub(crate) async fn change(
    State(service): State<Arc<AuthService>>,
    Extension(grant): Extension<Grant>,
    headers: HeaderMap,
    client: Client,
    LimitedBody(body): LimitedBody<ChangeBody>,
) -> Result<StatusCode, AuthError> {
    let wanted = WantedPassword {
        current: body.current_password,
        new: body.new_password,
        session: session(&headers)?,
    };
    service.change_password(developer(&grant)?, wanted, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn forgot(
    State(service): State<Arc<AuthService>>,
    LimitedBody(body): LimitedBody<ForgotBody>,
) -> Result<StatusCode, AuthError> {
    service.forgot_password(&body.email)?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn reset(
    State(service): State<Arc<AuthService>>,
    LimitedBody(body): LimitedBody<ResetBody>,
) -> Result<Response, AuthError> {
    let account = service.reset_password(&body.token, &body.password).await?;
    Ok((StatusCode::NO_CONTENT, recorded(account.as_str())?).into_response())
}
