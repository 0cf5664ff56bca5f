//! Links by mail: to verify an address, to set a new password. What a link leads to has no key of the
//! project, so the two routes that take a link's token are there for everybody too.

use super::body::BODY_BYTES_MAX;
use super::{ATTEMPT_ERRORS, Mounted, Service};
use crate::error::TenantAuthError;
use crate::limits::Visitor;
use crate::mails::Reason;
use axum::extract::State;
use credentials::Password;
use http::StatusCode;
use ports::access::Action;
use routes::{Need, Route};
use serde::Deserialize;
use service_kit::error::ErrorCode;
use service_kit::json::Json;
use utoipa::ToSchema;

/// An address to which mail may go.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserAddress)]
#[serde(deny_unknown_fields)]
struct AddressBody {
    /// The e-mail address.
    email: String,
}

/// The token of a link.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserLinkToken)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    /// As it stands in the link.
    token: String,
}

/// The token of a link, and the password to be set.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserPasswordReset)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    /// As it stands in the link.
    token: String,
    /// The password as it is to be.
    #[schema(value_type = String, format = Password)]
    password: Password,
}

pub(super) fn mount(mut routes: Mounted) -> Mounted {
    let key = Need::Key(Action::EndUserSignIn);
    for (path, need) in
        [("/v1/auth/project/verify-email", key), ("/v1/projects/{project}/auth/verify-email", Need::Nobody)]
    {
        let route = post(path, need, "Verify an address with the token of a link, once")
            .body::<TokenBody>()
            .answers_plain("204", "verified")
            .errors(&[ErrorCode::LinkInvalid]);
        routes = routes.add(route, verify);
    }
    for (path, need) in [
        ("/v1/auth/project/password/reset", key),
        ("/v1/projects/{project}/auth/password/reset", Need::Nobody),
    ] {
        let route = post(path, need, "Set a new password with the token of a link, once; all sessions end")
            .body::<ResetBody>()
            .answers_plain("204", "set")
            .errors(&[ErrorCode::LinkInvalid, ErrorCode::WeakPassword]);
        routes = routes.add(route, reset);
    }
    let send = post("/v1/auth/project/verify-email/send", key, "Send a link that verifies an address")
        .body::<AddressBody>()
        .answers_plain("202", "the same whether the address is known, verified, or neither");
    let forgot = post("/v1/auth/project/password/forgot", key, "Send a link that sets a new password")
        .body::<AddressBody>()
        .answers_plain("202", "the same whether the address is known or not");
    routes.add(send, send_verification).add(forgot, send_reset)
}

fn post(path: &'static str, need: Need, summary: &str) -> Route {
    Route::post(path, need).summary(summary).body_bytes_max(BODY_BYTES_MAX).errors(ATTEMPT_ERRORS)
}

async fn verify(
    State(service): State<Service>,
    visitor: Visitor,
    Json(body): Json<TokenBody>,
) -> Result<StatusCode, TenantAuthError> {
    service.verify_email(&visitor.project, &body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn reset(
    State(service): State<Service>,
    visitor: Visitor,
    Json(body): Json<ResetBody>,
) -> Result<StatusCode, TenantAuthError> {
    service.reset_password(&visitor.project, &body.token, &body.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn send_verification(
    State(service): State<Service>,
    visitor: Visitor,
    Json(body): Json<AddressBody>,
) -> Result<StatusCode, TenantAuthError> {
    service.ask_for_link(&visitor, &body.email, Reason::Verify).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn send_reset(
    State(service): State<Service>,
    visitor: Visitor,
    Json(body): Json<AddressBody>,
) -> Result<StatusCode, TenantAuthError> {
    service.ask_for_link(&visitor, &body.email, Reason::Forgot).await?;
    Ok(StatusCode::ACCEPTED)
}
