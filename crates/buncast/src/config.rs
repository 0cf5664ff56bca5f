//! Settings of the broker (`events.*`).

use serde::Deserialize;
use std::path::PathBuf;

/// Bytes of an event's frame besides topic and payload.
pub(crate) const FRAME_HEAD_BYTES: usize = 10;

/// Sizes and limits of the broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BuncastConfig {
    /// Where the socket for programs on this machine is made; none without.
    pub socket: Option<PathBuf>,
    /// Connections to the socket.
    pub socket_connections_max: usize,
    /// Bytes of one event's payload.
    pub payload_bytes_max: usize,
    /// Topics of one realm that are remembered; declared ones count.
    pub topics_per_realm_max: usize,
    /// Topics of one realm that keep a log.
    pub durable_topics_per_realm_max: usize,
    /// Subscriptions of one realm.
    pub subscriptions_per_realm_max: usize,
    /// Subscriptions of all realms.
    pub subscriptions_max: usize,
    /// Events that wait for one subscriber.
    pub subscription_events_max: usize,
    /// Bytes that wait for one subscriber.
    pub subscription_bytes_max: usize,
    /// Bytes that wait for the subscribers of one realm; what several wait for counts once.
    pub realm_bytes_max: usize,
    /// Bytes that wait for subscribers of all realms.
    pub buffered_bytes_max: usize,
    /// How long a publisher on the socket is held back where a subscriber's buffer is half full.
    pub publisher_stall_ms_max: u64,
    /// Bytes of one file of a log.
    pub segment_bytes: u64,
    /// Bytes of events that wait to be written to one log.
    pub log_pending_bytes_max: usize,
    /// Logs that are written at the same time.
    pub log_writers_max: usize,
    /// How long a durable topic keeps its events where its declaration does not say.
    pub retention_age_seconds: u64,
    /// How many bytes of them.
    pub retention_bytes: u64,
    /// How many bytes all logs of one realm may keep together, by their declarations.
    pub log_bytes_per_realm_max: u64,
    /// How often logs are looked through for what is too old.
    pub retention_check_seconds: u64,
}

impl Default for BuncastConfig {
    fn default() -> Self {
        Self {
            socket: None,
            socket_connections_max: 1_024,
            payload_bytes_max: 1 << 20,
            topics_per_realm_max: 10_000,
            durable_topics_per_realm_max: 100,
            subscriptions_per_realm_max: 60_000,
            subscriptions_max: 100_000,
            subscription_events_max: 65_536,
            subscription_bytes_max: 8 << 20,
            realm_bytes_max: 64 << 20,
            buffered_bytes_max: 512 << 20,
            publisher_stall_ms_max: 50,
            segment_bytes: 16 << 20,
            log_pending_bytes_max: 16 << 20,
            log_writers_max: 8,
            retention_age_seconds: 7 * 86_400,
            retention_bytes: 256 << 20,
            log_bytes_per_realm_max: 10 << 30,
            retention_check_seconds: 60,
        }
    }
}

impl BuncastConfig {
    /// Whether the settings fit each other.
    ///
    /// # Errors
    /// What does not, and what it has to be.
    pub fn check(&self) -> Result<(), String> {
        let event_bytes = self.payload_bytes_max + FRAME_HEAD_BYTES + ports::events::TOPIC_BYTES_MAX;
        let smallest = [
            ("subscription_bytes_max", self.subscription_bytes_max),
            ("realm_bytes_max", self.realm_bytes_max),
            ("log_pending_bytes_max", self.log_pending_bytes_max),
        ];
        if let Some((name, _)) = smallest.into_iter().find(|(_, bytes)| *bytes < event_bytes) {
            return Err(format!("events.{name} has to be at least {event_bytes}: one event has to fit"));
        }
        if event_bytes > crate::socket::FRAME_BYTES_MAX {
            return Err("events.payload_bytes_max has to fit a frame of 16 MiB".to_owned());
        }
        let counts = [
            ("topics_per_realm_max", self.topics_per_realm_max),
            ("subscription_events_max", self.subscription_events_max),
            ("log_writers_max", self.log_writers_max),
            ("segment_bytes", usize::try_from(self.segment_bytes).unwrap_or(usize::MAX)),
            ("retention_check_seconds", usize::try_from(self.retention_check_seconds).unwrap_or(usize::MAX)),
        ];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(format!("events.{name} has to be more than 0")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_do_not_fit_each_other_are_refused() {
        assert_eq!(BuncastConfig::default().check(), Ok(()));
        let small = BuncastConfig { subscription_bytes_max: 1 << 20, ..BuncastConfig::default() };
        assert!(small.check().unwrap_err().contains("subscription_bytes_max"));
        let large = BuncastConfig {
            payload_bytes_max: 20 << 20,
            subscription_bytes_max: 64 << 20,
            log_pending_bytes_max: 64 << 20,
            ..BuncastConfig::default()
        };
        assert!(large.check().unwrap_err().contains("payload_bytes_max"));
        let none = BuncastConfig { segment_bytes: 0, ..BuncastConfig::default() };
        assert!(none.check().unwrap_err().contains("segment_bytes"));
    }
}
