//! Settings of keys and secrets (`kms.*`).

use secrecy::SecretString;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

/// Random 96-bit nonces of AES-GCM: NIST SP 800-38D §8.3 allows 2^32 messages under one key.
const MESSAGES_PER_VERSION_MAX: u64 = 1 << 32;

/// Settings; each has a default. `Debug` shows neither root key nor passphrase.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KmsConfig {
    /// The root key: `base64:` and 32 bytes in base64, or 64 hex digits. Without it and without a
    /// passphrase the file `root.key` in the data directory is used, and made at the first start.
    #[serde(deserialize_with = "secret_text")]
    pub root_key: Option<SecretString>,
    /// A passphrase that the root key is derived from (argon2id), at least 12 characters.
    #[serde(deserialize_with = "secret_text")]
    pub passphrase: Option<SecretString>,
    /// Versions kept of each secret; the oldest goes.
    pub secret_versions_max: NonZeroU32,
    /// Secrets of one project.
    pub secrets_per_project_max: u32,
    /// Bytes of a secret's value.
    pub secret_bytes_max: usize,
    /// Keys of one project.
    pub keys_per_project_max: u32,
    /// Versions of one key.
    pub key_versions_max: u32,
    /// Bytes of what is encrypted, decrypted, signed or verified in one call.
    pub payload_bytes_max: usize,
    /// Messages that one version of an AES-256-GCM key encrypts before the key is rotated by itself; at most
    /// 2^32.
    pub messages_per_version_max: NonZeroU64,
    /// Named keys held unwrapped in memory, of all projects together; each version takes up to 2 KiB.
    pub keys_cached_max: NonZeroUsize,
    /// Projects whose key-encryption key is held unwrapped in memory.
    pub projects_cached_max: NonZeroUsize,
    /// Bytes of an audit file; the next line opens another. At start the newest file is checked whole.
    pub audit_file_bytes_max: u64,
    /// Operations that may wait for the audit log; over it comes `overloaded`.
    pub audit_queue_max: NonZeroUsize,
}

impl Default for KmsConfig {
    fn default() -> Self {
        let nonzero = |count: usize| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self {
            root_key: None,
            passphrase: None,
            secret_versions_max: NonZeroU32::new(20).unwrap_or(NonZeroU32::MIN),
            secrets_per_project_max: 1_000,
            secret_bytes_max: 64 << 10,
            keys_per_project_max: 1_000,
            key_versions_max: 100,
            payload_bytes_max: 512 << 10,
            messages_per_version_max: NonZeroU64::new(MESSAGES_PER_VERSION_MAX).unwrap_or(NonZeroU64::MIN),
            keys_cached_max: nonzero(1_000),
            projects_cached_max: nonzero(10_000),
            audit_file_bytes_max: 64 << 20,
            audit_queue_max: nonzero(4_096),
        }
    }
}

impl KmsConfig {
    /// The bound on messages of one AES-256-GCM version, never above what random nonces allow.
    pub(crate) fn messages_max(&self) -> u64 {
        self.messages_per_version_max.get().min(MESSAGES_PER_VERSION_MAX)
    }
}

/// Text only, and never repeated in an error: a passphrase of digits arrives as a number, which would lose
/// its leading zeros.
fn secret_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    struct Text;
    const EXPECTED: &str = "a secret is text: put it in quotes in the file; in a variable it may not be \
                            a number, `true` or `false`";
    impl Visitor<'_> for Text {
        type Value = Option<SecretString>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(EXPECTED)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(SecretString::from(text)))
        }

        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Err(E::custom(EXPECTED))
        }

        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Err(E::custom(EXPECTED))
        }

        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Err(E::custom(EXPECTED))
        }

        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Err(E::custom(EXPECTED))
        }
    }
    deserializer.deserialize_any(Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_text_and_is_not_repeated_in_an_error() {
        let read = |value| serde_json::from_value::<KmsConfig>(json!({ "passphrase": value }));
        assert!(read(json!("correct horse")).unwrap().passphrase.is_some());
        for value in [json!(8_123_456_789_u64), json!(-8_123_456), json!(8123.5), json!(true)] {
            let error = read(value.clone()).unwrap_err().to_string();
            assert!(error.starts_with("a secret is text") && !error.contains("8123"), "{error}");
        }
        assert!(!format!("{:?}", read(json!("correct horse")).unwrap()).contains("horse"));
    }

    #[test]
    fn no_setting_reaches_beyond_the_bound_of_random_nonces() {
        let read = |value: u64| {
            serde_json::from_value::<KmsConfig>(json!({ "messages_per_version_max": value })).unwrap()
        };
        assert_eq!(read(u64::MAX).messages_max(), 1 << 32);
        assert_eq!(read(7).messages_max(), 7);
    }
}
