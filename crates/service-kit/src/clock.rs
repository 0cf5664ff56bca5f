//! Time as the stores and the API write it: milliseconds since the epoch inside, RFC 3339 outside.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// Where a service takes the time from: the system, or what a test says.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Arc::new(now_ms))
    }

    /// A clock that asks `read` for milliseconds since the epoch.
    pub fn reading(read: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// RFC 3339 in UTC with milliseconds, such as `2026-01-31T08:30:00.125Z`.
pub fn rfc3339(epoch_ms: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(epoch_ms) * 1_000_000)
        .ok()
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// Reads RFC 3339 text or milliseconds since the epoch.
pub fn parse_ms(text: &str) -> Option<i64> {
    if let Ok(epoch_ms) = text.parse::<i64>() {
        return Some(epoch_ms);
    }
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_being_written_and_read() {
        let text = rfc3339(1_769_848_200_125);
        assert_eq!(text, "2026-01-31T08:30:00.125Z");
        assert_eq!(parse_ms(&text), Some(1_769_848_200_125));
        assert_eq!(parse_ms("1769848200125"), Some(1_769_848_200_125));
        assert_eq!(parse_ms("yesterday"), None);
    }
}
