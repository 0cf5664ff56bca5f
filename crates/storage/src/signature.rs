//! Signed addresses: HMAC-SHA-256 (RFC 2104) over project, method, end and name, under a random key of the
//! project. Whoever has the address may do this one thing until it ends.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ports::objects::ObjectName;
use service_kit::ids::ProjectId;
use std::fmt::Write as _;

/// Bytes of a signing key.
pub(crate) const KEY_BYTES: usize = 32;
/// What is signed begins with this, so that the key is good for nothing else.
const PURPOSE: &str = "bunbase-object-v1";

/// What an address allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum SignedMethod {
    /// Reading, also only the headers.
    Get,
    /// Putting.
    Put,
}

impl SignedMethod {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Permission<'a> {
    pub(crate) project: &'a ProjectId,
    pub(crate) method: SignedMethod,
    pub(crate) name: &'a ObjectName,
    /// Seconds since the epoch.
    pub(crate) expires: i64,
}

impl Permission<'_> {
    /// None of the parts can hold a line break, and the name comes last.
    fn text(&self) -> String {
        let Self { project, method, name, expires } = self;
        format!("{PURPOSE}\n{project}\n{}\n{expires}\n{}", method.as_str(), name.as_str())
    }

    /// The signature as it stands in the address.
    pub(crate) fn sign(&self, key: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(sign(&Key::new(HMAC_SHA256, key), self.text().as_bytes()))
    }

    /// Whether `signature` is the one of this; in constant time.
    pub(crate) fn is_signed(&self, key: &[u8], signature: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        verify(&Key::new(HMAC_SHA256, key), self.text().as_bytes(), &signature).is_ok()
    }

    /// The address, behind the server's own.
    pub(crate) fn path_and_query(&self, key: &[u8]) -> String {
        let Self { project, name, expires, .. } = self;
        let signature = self.sign(key);
        format!("/v1/objects/{project}/{}?expires={expires}&signature={signature}", encoded(name.as_str()))
    }
}

/// Percent-encodes all but unreserved characters and `/` (RFC 3986 §2.3).
pub(crate) fn encoded(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(byte.into());
            }
            // Writing to a string does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_one_thing() {
        let (project, other_project) = (ProjectId::generate(), ProjectId::generate());
        let (name, other_name) = (ObjectName::parse("a/b").unwrap(), ObjectName::parse("a/c").unwrap());
        let allowed =
            Permission { project: &project, method: SignedMethod::Get, name: &name, expires: 1_000 };
        let (key, other_key) = ([1; KEY_BYTES], [2; KEY_BYTES]);
        let signature = allowed.sign(&key);
        assert!(allowed.is_signed(&key, &signature));
        assert!(!allowed.is_signed(&other_key, &signature));
        assert!(!allowed.is_signed(&key, ""));
        assert!(!allowed.is_signed(&key, &signature[1..]));
        for other in [
            Permission { project: &other_project, ..allowed },
            Permission { method: SignedMethod::Put, ..allowed },
            Permission { name: &other_name, ..allowed },
            Permission { expires: 1_001, ..allowed },
        ] {
            assert!(!other.is_signed(&key, &signature), "{other:?}");
        }
    }

    #[test]
    fn names_are_encoded() {
        assert_eq!(encoded("a b/ä?#%.txt"), "a%20b/%C3%A4%3F%23%25.txt");
    }
}
