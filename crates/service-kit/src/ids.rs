//! Typed ids: a prefix that says what it names, then a UUIDv7 in hex (RFC 9562), so that ids made later
//! sort later.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A table whose keys are ids that the server made, or names within one project: nobody outside chooses keys that
/// collide, so that it need not hash as `std` does. Every call looks into several of them.
pub type IdMap<K, V> = HashMap<K, V, IdHasher>;

/// Hashes the keys of an [`IdMap`].
pub type IdHasher = foldhash::fast::RandomState;

/// The text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind} id")]
pub struct InvalidId {
    /// The prefix that was wanted.
    pub kind: &'static str,
}

fn valid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// `prefix` and `hex` in one piece. Each call makes ids, so this goes without the machinery of formatting.
fn fixed(prefix: &str, hex: &str) -> Arc<str> {
    const BYTES_MAX: usize = 4 + uuid::fmt::Simple::LENGTH;
    let mut text = [0; BYTES_MAX];
    let (start, rest) = text.split_at_mut(prefix.len());
    start.copy_from_slice(prefix.as_bytes());
    let (middle, _) = rest.split_at_mut(hex.len());
    middle.copy_from_slice(hex.as_bytes());
    std::str::from_utf8(&text[..prefix.len() + hex.len()]).unwrap_or_default().into()
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The prefix of ids of this kind.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later in order than those made before.
            pub fn generate() -> Self {
                let mut hex = [0; uuid::fmt::Simple::LENGTH];
                let hex = uuid::Uuid::now_v7().simple().encode_lower(&mut hex);
                Self(fixed(concat!($prefix, "_"), hex))
            }

            /// Takes `text` if it has the form of this id.
            ///
            /// # Errors
            /// `InvalidId` where it has not.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                if valid(text, $prefix) { Ok(Self(text.into())) } else { Err(InvalidId { kind: $prefix }) }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for Arc<str> {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

id_type!(
    /// A project.
    ProjectId, "prj");
id_type!(
    /// A developer's account.
    UserId, "usr");
id_type!(
    /// A developer's session.
    SessionId, "ses");
id_type!(
    /// A mail.
    MailId, "eml");
id_type!(
    /// A project's key.
    KeyId, "key");
id_type!(
    /// A developer's API token.
    TokenId, "tok");
id_type!(
    /// An invitation to a project.
    InvitationId, "ivt");
id_type!(
    /// An end user of a project.
    EndUserId, "eus");
id_type!(
    /// An end user's session.
    EndUserSessionId, "ess");
id_type!(
    /// A function, across its versions.
    FunctionId, "fun");
id_type!(
    /// One execution of a handler.
    InvocationId, "inv");
id_type!(
    /// A job of a queue, across its attempts.
    JobId, "job");
id_type!(
    /// An open transaction over documents.
    TransactionId, "txn");
id_type!(
    /// One HTTP request.
    RequestId, "req");
id_type!(
    /// An error that a person may look up in the logs.
    ErrorId, "err");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_the_same_kind_are_taken() {
        let id = ProjectId::generate();
        assert_eq!(ProjectId::parse(id.as_str()), Ok(id.clone()));
        assert!(UserId::parse(id.as_str()).is_err());
        for text in ["", "prj_", "prj_../../etc", "prj_0123456789abcdef0123456789abcdeg"] {
            assert!(ProjectId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn later_ids_sort_later() {
        let ids: Vec<_> = (0..100).map(|_| InvocationId::generate()).collect();
        assert!(ids.is_sorted());
    }
}
