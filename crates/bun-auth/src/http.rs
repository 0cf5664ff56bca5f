//! The HTTP routes of accounts, sessions and tokens.

mod accounts;
mod body;
mod client;
mod cookie;
mod instance;
mod passwords;
mod sessions;
mod tokens;

use crate::error::AuthError;
use crate::service::AuthService;
use axum::Extension;
use http::HeaderMap;
use ports::access::{Access, Action, Caller, Credentials, Grant};
use routes::{Need, Recording, Route, Routes, ServiceRoutes};
use secrecy::SecretString;
use service_kit::error::ErrorCode;
use service_kit::ids::UserId;
use std::sync::Arc;

type Collected = Routes<Arc<AuthService>>;

/// Errors of the routes that take a password or a link's token.
const BODY_ERRORS: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::InvalidJson,
    ErrorCode::BodyTooLarge,
    ErrorCode::UnsupportedMediaType,
    ErrorCode::RateLimited,
    ErrorCode::Overloaded,
];

pub(crate) fn routes(service: Arc<AuthService>, access: Arc<dyn Access>) -> ServiceRoutes {
    let routes = Routes::new("bun-auth", service, access);
    let routes = entrances(routes);
    let routes = own_account(routes);
    let routes = own_sessions(routes);
    own_tokens(routes).finish()
}

/// A route with a small body, which may fail with `errors` besides those that such bodies have.
fn limited(route: Route, errors: &[ErrorCode]) -> Route {
    route.body_bytes_max(body::BODY_BYTES_MAX).errors(&[BODY_ERRORS, errors].concat())
}

/// What everybody may ask for.
fn entrances(routes: Collected) -> Collected {
    use ErrorCode::*;
    let status = Route::get("/v1/instance/status", Need::Nobody)
        .summary("How this server is run, and whether it was set up")
        .answers::<instance::StatusAnswer>(200, "the status");
    let set_up = Route::post("/v1/setup", Need::Nobody)
        .summary("Make the first account, an administrator's; once")
        .body::<accounts::NewAccountBody>()
        .answers::<accounts::UserAnswer>(201, "the account; the cookie is set");
    let set_up = limited(set_up, &[InvalidName, WeakPassword, SetupDone]);
    let register = Route::post("/v1/auth/register", Need::Nobody)
        .summary("Make an account, where registration is open")
        .body::<accounts::NewAccountBody>()
        .answers::<accounts::UserAnswer>(201, "the account; the cookie is set. Where no mail server is set")
        .answers_plain("202", "a mail says how to go on. Where a mail server is set");
    let register = limited(register, &[InvalidName, WeakPassword, RegistrationClosed, AccountExists]);
    let confirm = Route::post("/v1/auth/register/confirm", Need::Nobody)
        .summary("Make the account that a mailed link stands for; once")
        .body::<accounts::LinkBody>()
        .answers::<accounts::UserAnswer>(201, "the account; the cookie is set");
    let confirm = limited(confirm, &[LinkInvalid, RegistrationClosed, AccountExists]);
    let log_in = Route::post("/v1/auth/login", Need::Nobody)
        .summary("Sign in")
        .body::<accounts::LoginBody>()
        .answers::<accounts::UserAnswer>(200, "the account; the cookie is set");
    let log_in = limited(log_in, &[InvalidCredentials]);
    let forgot = Route::post("/v1/auth/password/forgot", Need::Nobody)
        .summary("Ask for a link that sets a new password")
        .body::<passwords::ForgotBody>()
        .answers_plain("202", "if there is such an account, a mail is on its way");
    let forgot = limited(forgot, &[]);
    let reset = Route::post("/v1/auth/password/reset", Need::Nobody)
        .summary("Set a new password with a link; every session ends")
        .body::<passwords::ResetBody>()
        .answers_plain("204", "the password was set");
    let reset = limited(reset, &[LinkInvalid, WeakPassword]);
    routes
        .add(status, instance::status)
        .add(set_up, accounts::set_up)
        .add(register, accounts::register)
        .add(confirm, accounts::confirm)
        .add(log_in, accounts::log_in)
        .add(forgot, passwords::forgot)
        .add(reset, passwords::reset)
}

fn own_account(routes: Collected) -> Collected {
    let log_out = Route::post("/v1/auth/logout", Need::Session)
        .summary("Sign out: the session ends at once")
        .answers_plain("204", "signed out; the cookie is cleared");
    let me = Route::get("/v1/auth/me", Need::Developer(Action::AccountRead))
        .summary("Who is signed in")
        .answers::<accounts::UserAnswer>(200, "the account");
    let change_profile = Route::patch("/v1/auth/me", Need::Developer(Action::AccountWrite))
        .summary("Change one's name")
        .body::<accounts::ProfileBody>()
        .answers::<accounts::UserAnswer>(200, "the account")
        .errors(&[ErrorCode::InvalidName]);
    let change_password = Route::post("/v1/auth/password", Need::Session)
        .summary("Change one's password; every other session ends")
        .body::<passwords::ChangeBody>()
        .answers_plain("204", "the password was changed");
    let change_password = limited(change_password, &[ErrorCode::InvalidCredentials, ErrorCode::WeakPassword]);
    routes
        .add(log_out, accounts::log_out)
        .add(me, accounts::me)
        .add(change_profile, accounts::change_profile)
        .add(change_password, passwords::change)
}

fn own_sessions(routes: Collected) -> Collected {
    let list = Route::get("/v1/auth/sessions", Need::Developer(Action::AccountRead))
        .summary("Where one is signed in")
        .answers::<sessions::SessionsAnswer>(200, "the sessions, the newest first");
    let end = Route::delete("/v1/auth/sessions/{session}", Need::Session)
        .summary("End one session, at once")
        .answers_plain("204", "it ended")
        .errors(&[ErrorCode::AccountItemNotFound]);
    let end_others = Route::delete("/v1/auth/sessions", Need::Session)
        .summary("End every session but this one, at once")
        .answers_plain("204", "they ended");
    routes.add(list, sessions::list).add(end, sessions::end).add(end_others, sessions::end_others)
}

fn own_tokens(routes: Collected) -> Collected {
    let list = Route::get("/v1/auth/tokens", Need::Developer(Action::AccountRead))
        .summary("One's API tokens")
        .answers::<tokens::TokensAnswer>(200, "the tokens without their texts, the newest first");
    let create = Route::post("/v1/auth/tokens", Need::Session)
        .summary("Make an API token")
        .body_bytes_max(body::BODY_BYTES_MAX)
        .body::<tokens::NewTokenBody>()
        .answers::<tokens::MadeTokenAnswer>(201, "the token; its text is shown this once")
        .errors(&[ErrorCode::InvalidRequest, ErrorCode::InvalidName, ErrorCode::LimitExceeded]);
    let delete = Route::delete("/v1/auth/tokens/{token}", Need::Session)
        .summary("Delete an API token: it opens nothing from now on")
        .answers_plain("204", "it was deleted")
        .errors(&[ErrorCode::AccountItemNotFound]);
    routes.add(list, tokens::list).add(create, tokens::create).add(delete, tokens::delete)
}

/// The account that asks.
fn developer(grant: &Grant) -> Result<&UserId, AuthError> {
    match &grant.caller {
        Caller::Developer { user, .. } => Ok(user),
        _ => Err(AuthError::SignedOut),
    }
}

/// The token of the session that asks.
fn session(headers: &HeaderMap) -> Result<SecretString, AuthError> {
    Credentials::from_headers(headers, None).session.ok_or(AuthError::SignedOut)
}

/// Says for the audit log who it was, on a route that is open to all.
fn recorded(account: &str) -> Result<Extension<Recording>, AuthError> {
    let user = UserId::parse(account).map_err(|_| AuthError::Unreadable(account.to_owned()))?;
    let caller = Caller::Developer { user, role: None, token: None };
    Ok(Extension(Recording::default().caller(caller).target("account", account)))
}
