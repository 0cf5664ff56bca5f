//! Secret text and bytes in bodies: read without a copy that can be printed, written once.

use crate::error::OperationError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serializer};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// Reads text that is a secret.
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(text.map(|text| SecretString::from(text.into_owned())))
}

/// Writes text into the answer to whoever asked for it.
pub(super) fn shown<S: Serializer>(text: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.expose_secret())
}

/// `shown`, where there is any.
pub(super) fn shown_some<S: Serializer>(
    text: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match text {
        Some(text) => shown(text, serializer),
        None => serializer.serialize_none(),
    }
}

/// Bytes given as text or as base64: one of the two.
pub(super) struct Given {
    pub(super) text: Option<SecretString>,
    pub(super) base64: Option<SecretString>,
    /// The name of the field with base64.
    pub(super) field: &'static str,
    /// What to say where none or both are given.
    pub(super) one_of: &'static str,
}

impl Given {
    /// The bytes.
    pub(super) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, OperationError> {
        match (&self.text, &self.base64) {
            (Some(text), None) => Ok(Zeroizing::new(text.expose_secret().as_bytes().to_vec())),
            (None, Some(base64)) => decode(self.field, base64.expose_secret()),
            _ => Err(OperationError::Invalid(self.one_of)),
        }
    }
}

/// Reads base64 (RFC 4648 §4, padded).
pub(super) fn decode(field: &'static str, base64: &str) -> Result<Zeroizing<Vec<u8>>, OperationError> {
    STANDARD.decode(base64).map(Zeroizing::new).map_err(|_| OperationError::Base64 { field })
}

/// Writes base64.
pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Secret bytes as text, where they are text, and as base64.
pub(super) fn both(bytes: &[u8]) -> (Option<SecretString>, SecretString) {
    let text = std::str::from_utf8(bytes).ok().map(SecretString::from);
    (text, SecretString::from(encode(bytes)))
}

/// `SubjectPublicKeyInfo` as PEM (RFC 7468).
pub(super) fn pem(der: &[u8]) -> String {
    const LINE_CHARS: usize = 64;
    let text = encode(der);
    let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_CHARS));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PUBLIC KEY-----\n");
    pem
}
