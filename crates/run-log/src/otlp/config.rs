//! Where to send to.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Settings of the export. Without an endpoint nothing is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpConfig {
    /// A collector's gRPC address, such as `http://localhost:4317`; `https` is checked against the roots of
    /// Mozilla.
    pub endpoint: Option<String>,
    /// Sent with each request, such as `authorization`.
    #[serde(deserialize_with = "secret_texts")]
    pub headers: BTreeMap<String, SecretString>,
    /// One request takes so long at most.
    pub timeout_ms: u64,
    /// How often a request is sent at most, when the collector is away or busy.
    pub attempts_max: u32,
    /// Before the second time; then twice as long each time.
    pub backoff_ms: u64,
    /// The longest of these waits.
    pub backoff_ms_max: u64,
    /// Bytes that wait to be sent at most; what comes then is dropped and counted.
    pub queue_bytes_max: usize,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: BTreeMap::new(),
            timeout_ms: 10_000,
            attempts_max: 6,
            backoff_ms: 500,
            backoff_ms_max: 30_000,
            queue_bytes_max: 16 << 20,
        }
    }
}

fn secret_texts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, SecretString>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(texts.into_iter().map(|(name, text)| (name, SecretString::from(text))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_not_shown() {
        let text = r#"{"endpoint": "http://localhost:4317", "headers": {"authorization": "s3cret"}}"#;
        let config: OtlpConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.headers.len(), 1);
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
