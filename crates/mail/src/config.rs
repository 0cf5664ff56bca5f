//! Settings of mail.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

/// Settings; each has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// The mail server: `smtps://user:password@host` (TLS from the first byte, port 465),
    /// `smtp+starttls://user:password@host` (TLS before anything is told, port 587) or `smtp://host` (no
    /// TLS, port 25). Without it mail is kept as files.
    #[serde(deserialize_with = "secret")]
    pub smtp_url: Option<SecretString>,
    /// The sender: `Name <address>` or an address.
    pub from: String,
    /// Milliseconds that one attempt to deliver may take.
    pub timeout_ms: NonZeroU64,
    /// Milliseconds until a second attempt; each further wait is four times as long.
    pub retry_backoff_ms: u64,
    /// Messages that may wait; over it comes `overloaded`.
    pub queue_max: NonZeroUsize,
    /// Messages kept as files; one more removes the oldest.
    pub captured_max: NonZeroUsize,
    /// Messages that the application of one project may send in a minute.
    pub per_project_per_minute_max: NonZeroU32,
    /// Whether mail of applications is kept as files, too, where there is no mail server; else it is refused.
    /// `bunbase dev` sets it.
    pub captures_applications: bool,
}

const TIMEOUT_MS: NonZeroU64 = NonZeroU64::new(15_000).expect("not zero");
const RETRY_BACKOFF_MS: u64 = 2_000;
const QUEUE_MAX: NonZeroUsize = NonZeroUsize::new(1_000).expect("not zero");
const CAPTURED_MAX: NonZeroUsize = NonZeroUsize::new(200).expect("not zero");
const PER_PROJECT_PER_MINUTE_MAX: NonZeroU32 = NonZeroU32::new(60).expect("not zero");

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            smtp_url: None,
            from: "BunBase <bunbase@localhost>".to_owned(),
            timeout_ms: TIMEOUT_MS,
            retry_backoff_ms: RETRY_BACKOFF_MS,
            queue_max: QUEUE_MAX,
            captured_max: CAPTURED_MAX,
            per_project_per_minute_max: PER_PROJECT_PER_MINUTE_MAX,
            captures_applications: false,
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).map(SecretString::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_the_mail_server_is_not_shown() {
        let text = r#"{"smtp_url": "smtps://me:s3cret@mail.example.com"}"#;
        let config: MailConfig = serde_json::from_str(text).unwrap();
        assert!(config.smtp_url.is_some());
        assert!(!format!("{config:?}").contains("s3cret"));
        let none: MailConfig = serde_json::from_str(r#"{"smtp_url": ""}"#).unwrap();
        assert!(none.smtp_url.is_none());
    }
}
