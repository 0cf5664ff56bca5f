//! Claims that developers set on end users: a small JSON object that rules see beside what comes from the
//! account itself.

use crate::error::TenantAuthError;
use serde_json::{Map, Value};

/// Bytes of all custom claims as JSON.
pub(crate) const CLAIMS_BYTES_MAX: usize = 4096;

/// Names that come from the account or the token (RFC 7519 §4.1) and cannot be set.
const RESERVED: &[&str] = &[
    "aud",
    "claims",
    "email",
    "email_verified",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "project_id",
    "sid",
    "sub",
    "uid",
];

/// The claims as they are stored.
pub(crate) fn checked(claims: &Map<String, Value>) -> Result<String, TenantAuthError> {
    if let Some(name) = claims.keys().find(|name| RESERVED.contains(&name.as_str())) {
        return Err(TenantAuthError::Invalid(format!(
            "the claim `{name}` comes from the account: use another name"
        )));
    }
    let text = Value::from(claims.clone()).to_string();
    if text.len() > CLAIMS_BYTES_MAX {
        return Err(TenantAuthError::Invalid(format!(
            "claims have at most {CLAIMS_BYTES_MAX} bytes as JSON"
        )));
    }
    Ok(text)
}

/// Reads what `checked` gave.
pub(crate) fn read(text: &str) -> Result<Map<String, Value>, TenantAuthError> {
    serde_json::from_str(text)
        .map_err(|source| TenantAuthError::Unreadable { what: "claim", source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn claims_survive_and_reserved_or_large_ones_are_refused() {
        let claims = object(&json!({ "role": "editor", "n": 18_446_744_073_709_551_615_u64, "a.b": [null] }));
        assert_eq!(read(&checked(&claims).unwrap()).unwrap(), claims);
        assert!(checked(&object(&json!({ "email_verified": true }))).is_err());
        assert!(checked(&object(&json!({ "big": "x".repeat(CLAIMS_BYTES_MAX) }))).is_err());
    }
}
