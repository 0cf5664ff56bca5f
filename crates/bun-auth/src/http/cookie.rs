//! The session cookie (RFC 6265): not readable by scripts, not sent along by other sites' requests.

use crate::service::AuthService;
use http::HeaderValue;
use http::header::InvalidHeaderValue;
use ports::access::SESSION_COOKIE;
use secrecy::{ExposeSecret, SecretString};

/// Sets the cookie to `token`.
pub(crate) fn set(service: &AuthService, token: &SecretString) -> Result<HeaderValue, InvalidHeaderValue> {
    let max_age = service.sessions.max_age_seconds();
    let mut value = HeaderValue::try_from(text(service, token.expose_secret(), max_age))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Clears the cookie.
pub(crate) fn clear(service: &AuthService) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::try_from(text(service, "", 0))
}

fn text(service: &AuthService, value: &str, max_age: i64) -> String {
    let secure = if service.config.secure_cookies { "; Secure" } else { "" };
    format!("{SESSION_COOKIE}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={max_age}{secure}")
}
