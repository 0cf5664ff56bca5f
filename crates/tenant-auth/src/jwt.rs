//! Access tokens: JSON Web Tokens (RFC 7519) signed with Ed25519 (RFC 8037). Reading is stricter than the
//! standard: the header has the one form that is written here, so that no other algorithm, no key in the
//! token and no extension is ever looked at.

use crate::error::TenantAuthError;
use crate::keyring::{ProjectKeys, SigningKey};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::ids::{EndUserId, EndUserSessionId};

/// Bytes of an access token; custom claims and an address make less.
const TOKEN_BYTES_MAX: usize = 16 << 10;
const ALGORITHM: &str = "EdDSA";
const TYPE: &str = "JWT";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// What an access token says.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccessClaims {
    /// The project's issuer.
    pub(crate) iss: String,
    /// The project.
    pub(crate) aud: String,
    /// The user.
    pub(crate) sub: EndUserId,
    /// The session.
    pub(crate) sid: EndUserSessionId,
    /// When it was made, seconds since the epoch.
    pub(crate) iat: i64,
    /// When it ends, seconds since the epoch.
    pub(crate) exp: i64,
    /// The user's address.
    pub(crate) email: String,
    /// Whether the address was verified.
    pub(crate) email_verified: bool,
    /// What developers set.
    pub(crate) claims: Map<String, Value>,
}

/// What a token has to say.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    /// Milliseconds since the epoch.
    pub(crate) now: i64,
}

/// The id of the key that a token says it was signed with; `None` where it is no token of ours.
pub(crate) fn key_id(token: &str) -> Option<String> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let header: Header = decoded(token.split('.').next()?)?;
    (header.alg == ALGORITHM && header.typ == TYPE).then_some(header.kid)
}

/// A token whose signature and contents were found good: what is left to ask each time.
pub(crate) struct Good {
    kid: String,
    pub(crate) session: EndUserSessionId,
    pub(crate) user: EndUserId,
    /// Milliseconds since the epoch.
    ends_at: i64,
}

impl Good {
    pub(crate) fn new(kid: String, claims: AccessClaims) -> Self {
        Self { kid, session: claims.sid, user: claims.sub, ends_at: claims.exp * 1000 }
    }

    /// Whether it is still good.
    pub(crate) fn stands(&self, keys: &ProjectKeys, now: i64) -> bool {
        self.ends_at > now && keys.verifying(&self.kid, now).is_some()
    }
}

/// Writes and signs a token.
pub(crate) fn sign(key: &SigningKey, claims: &AccessClaims) -> Result<String, TenantAuthError> {
    let header = Header { alg: ALGORITHM.into(), typ: TYPE.into(), kid: key.id.clone() };
    let signed = format!("{}.{}", encoded(&header)?, encoded(claims)?);
    let signature = key.pair.try_sign(signed.as_bytes()).map_err(|_| TenantAuthError::Key)?;
    Ok(format!("{signed}.{}", BASE64.encode(signature)))
}

/// What a token says, where it was signed with one of `keys`, is for the audience and not expired.
pub(crate) fn verify(keys: &ProjectKeys, token: &str, expected: Expected<'_>) -> Option<AccessClaims> {
    let public = keys.verifying(&key_id(token)?, expected.now)?;
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = BASE64.decode(signature).ok()?;
    UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &signature).ok()?;
    let (_, payload) = signed.split_once('.')?;
    let claims: AccessClaims = decoded(payload)?;
    let stands = claims.iss == expected.issuer
        && claims.aud == expected.audience
        && claims.exp.checked_mul(1000).is_some_and(|exp| exp > expected.now);
    stands.then_some(claims)
}

fn encoded(part: &impl Serialize) -> Result<String, TenantAuthError> {
    let text = serde_json::to_vec(part)
        .map_err(|source| TenantAuthError::Unreadable { what: "claim", source: Box::new(source) })?;
    Ok(BASE64.encode(text))
}

fn decoded<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&BASE64.decode(part).ok()?).ok()
}
