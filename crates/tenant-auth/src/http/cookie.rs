//! The cookie of an end user's session (RFC 6265): not readable by scripts, not sent along by other sites'
//! requests. And the tokens that a request brings.

use crate::service::TenantAuthService;
use crate::sessions::Tokens;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderValue};
use ports::access::{Credentials, END_USER_COOKIE};
use secrecy::SecretString;

/// Sets the cookie.
pub(super) fn set(service: &TenantAuthService, tokens: &Tokens) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text(service, &tokens.cookie, tokens.session_seconds))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Clears the cookie.
pub(super) fn clear(service: &TenantAuthService) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(text(service, "", 0))
}

fn text(service: &TenantAuthService, value: &str, max_age: i64) -> String {
    let secure = if service.config.secure_cookies { "; Secure" } else { "" };
    format!("{END_USER_COOKIE}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={max_age}{secure}")
}

/// The access token and the session cookie of a request, in the order in which they count.
pub(super) fn presented(headers: &HeaderMap) -> impl Iterator<Item = SecretString> {
    let Credentials { bearer, end_user_session, .. } = Credentials::from_headers(headers, None);
    bearer.into_iter().chain(end_user_session)
}
