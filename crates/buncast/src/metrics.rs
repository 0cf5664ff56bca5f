//! What the broker counts. Handles are made once, at the start; no project and no topic stands in a label.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

/// The handles.
pub(crate) struct Metrics {
    pub(crate) published: Counter,
    pub(crate) delivered: Counter,
    pub(crate) missed: Counter,
    pub(crate) subscriptions: Gauge,
    pub(crate) buffered: Gauge,
    pub(crate) commits: Counter,
}

impl Metrics {
    pub(crate) fn register() -> Self {
        describe_counter!("bunbase_events_published_total", "events that were published");
        describe_counter!("bunbase_events_delivered_total", "events handed to subscriptions");
        describe_counter!("bunbase_events_missed_total", "events dropped or merged for slow subscriptions");
        describe_gauge!("bunbase_events_subscriptions", "subscriptions that stand");
        describe_gauge!("bunbase_events_buffered_bytes", Unit::Bytes, "bytes that wait for subscribers");
        describe_counter!("bunbase_events_log_commits_total", "blocks written to logs, one fsync each");
        Self {
            published: counter!("bunbase_events_published_total"),
            delivered: counter!("bunbase_events_delivered_total"),
            missed: counter!("bunbase_events_missed_total"),
            subscriptions: gauge!("bunbase_events_subscriptions"),
            buffered: gauge!("bunbase_events_buffered_bytes"),
            commits: counter!("bunbase_events_log_commits_total"),
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}
