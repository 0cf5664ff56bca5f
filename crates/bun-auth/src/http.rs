//! The HTTP routes of accounts and sessions.

mod accounts;
mod body;
mod cookie;
mod instance;

use crate::service::AuthService;
use ports::access::Access;
use routes::{Need, Route, Routes, ServiceRoutes};
use service_kit::error::ErrorCode;
use std::sync::Arc;

/// Errors of the routes that take a password.
const PASSWORD_ERRORS: &[ErrorCode] =
    &[ErrorCode::InvalidRequest, ErrorCode::BodyTooLarge, ErrorCode::RateLimited, ErrorCode::Overloaded];

pub(crate) fn routes(service: Arc<AuthService>, access: Arc<dyn Access>) -> ServiceRoutes {
    let set_up = Route::post("/v1/setup", Need::Nobody)
        .summary("Make the first account, an administrator's; once")
        .body::<accounts::NewAccountBody>()
        .answers::<accounts::UserAnswer>(201, "the account; the cookie is set")
        .errors(PASSWORD_ERRORS)
        .errors(&[ErrorCode::SetupDone]);
    let register = Route::post("/v1/auth/register", Need::Nobody)
        .summary("Make an account, where registration is open")
        .body::<accounts::NewAccountBody>()
        .answers::<accounts::UserAnswer>(201, "the account; the cookie is set")
        .errors(PASSWORD_ERRORS)
        .errors(&[ErrorCode::RegistrationClosed, ErrorCode::AccountExists]);
    let log_in = Route::post("/v1/auth/login", Need::Nobody)
        .summary("Sign in")
        .body::<accounts::LoginBody>()
        .answers::<accounts::UserAnswer>(200, "the account; the cookie is set")
        .errors(PASSWORD_ERRORS)
        .errors(&[ErrorCode::InvalidCredentials]);
    let status = Route::get("/v1/instance/status", Need::Nobody)
        .summary("How this server is run, and whether it was set up")
        .answers::<instance::StatusAnswer>(200, "the status");
    let log_out = Route::post("/v1/auth/logout", Need::Developer)
        .summary("Sign out: the session ends at once")
        .answers_plain("204", "signed out; the cookie is cleared");
    let me = Route::get("/v1/auth/me", Need::Developer)
        .summary("Who is signed in")
        .answers::<accounts::UserAnswer>(200, "the account");
    Routes::new("bun-auth", service, access)
        .add(status, instance::status)
        .add(set_up, accounts::set_up)
        .add(register, accounts::register)
        .add(log_in, accounts::log_in)
        .add(log_out, accounts::log_out)
        .add(me, accounts::me)
        .finish()
}
