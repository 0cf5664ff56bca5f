//! The event broker: topics, subscriptions, durable log and replay.
