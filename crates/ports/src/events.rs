//! The event bus: topics, publishing, subscribing. Topics are hierarchical (`orders.created`), and a
//! pattern may end in `>` (all that follows) or hold `*` (one segment), as in NATS.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

/// The longest topic or pattern, in bytes.
pub const TOPIC_BYTES_MAX: usize = 1024;
/// The most segments of a topic or pattern.
pub const TOPIC_SEGMENTS_MAX: usize = 32;

/// Whose topics: those of two projects never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Realm {
    /// The server's own.
    System,
    /// A project's.
    Project(ProjectId),
}

/// A topic: 1 to 32 segments of visible ASCII without `*` and `>`, separated by `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

/// A topic in which segments may be `*`, and the last may be `>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(Arc<str>);

/// The topic or the pattern breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a topic has 1 to {TOPIC_SEGMENTS_MAX} segments of visible ASCII separated by `.`, {TOPIC_BYTES_MAX} bytes in all; `*` and `>` stand in patterns only, as whole segments, `>` at the end"
)]
pub struct InvalidTopic;

impl Classify for InvalidTopic {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidName
    }
}

fn plain(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'*' | b'>'))
}

fn sized(text: &str) -> bool {
    text.len() <= TOPIC_BYTES_MAX && text.split('.').count() <= TOPIC_SEGMENTS_MAX
}

impl Topic {
    /// Takes `text` if it is a topic.
    ///
    /// # Errors
    /// `InvalidTopic`.
    pub fn parse(text: &str) -> Result<Self, InvalidTopic> {
        if sized(text) && text.split('.').all(plain) { Ok(Self(text.into())) } else { Err(InvalidTopic) }
    }

    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Pattern {
    /// Takes `text` if it is a pattern; every topic is one.
    ///
    /// # Errors
    /// `InvalidTopic`.
    pub fn parse(text: &str) -> Result<Self, InvalidTopic> {
        let body = if text == ">" { "" } else { text.strip_suffix(".>").unwrap_or(text) };
        let valid = (body.is_empty() && text == ">") || body.split('.').all(|s| s == "*" || plain(s));
        if sized(text) && valid { Ok(Self(text.into())) } else { Err(InvalidTopic) }
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `topic` is one of those meant.
    pub fn matches(&self, topic: &Topic) -> bool {
        let mut segments = topic.as_str().split('.');
        for wanted in self.0.split('.') {
            match (wanted, segments.next()) {
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(found)) if wanted == found => {}
                _ => return false,
            }
        }
        segments.next().is_none()
    }

    /// Whether the pattern is one plain topic.
    pub fn as_topic(&self) -> Option<Topic> {
        Topic::parse(&self.0).ok()
    }
}

impl From<&Topic> for Pattern {
    /// The pattern that means this topic only.
    fn from(topic: &Topic) -> Self {
        Self(topic.0.clone())
    }
}

/// One event as subscribers get it.
#[derive(Debug, Clone)]
pub struct Event {
    /// The topic it was published to.
    pub topic: Topic,
    /// Its bytes, as published.
    pub payload: Bytes,
    /// Its number in the topic's log; `None` on a topic that is kept in memory only.
    pub offset: Option<u64>,
    /// When it was published.
    pub published_at: SystemTime,
}

/// What a subscription is told.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// An event.
    Event(Arc<Event>),
    /// The subscriber was too slow, and this many events were dropped (or merged into later ones).
    Missed(u64),
    /// The log of a durable topic no longer reaches back to where the subscriber wanted to begin; it goes
    /// on from the oldest event kept.
    Resync,
}

/// What happens to a subscriber that does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlowPolicy {
    /// The oldest waiting events go; the subscriber is told how many.
    #[default]
    DropOldest,
    /// The subscription ends with `BusError::TooSlow`.
    Disconnect,
    /// Of each topic only the newest waiting event is kept; the subscriber is told how many were merged.
    Coalesce,
}

/// A wish to be told.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// Whose topics.
    pub realm: Realm,
    /// Which.
    pub pattern: Pattern,
    /// Begin with this offset of a durable topic; the pattern is one plain topic then. `None`: from now.
    pub from: Option<u64>,
    /// What happens when the subscriber does not keep up.
    pub slow: SlowPolicy,
}

/// Which topics somebody waits for: publishers of many events need not publish others. A copy shares the
/// lists of all realms.
#[derive(Debug, Clone, Default)]
pub struct Demand(HashMap<Realm, Arc<[Pattern]>>);

impl Demand {
    /// Whether an event on `topic` would reach somebody or a log.
    pub fn wants(&self, realm: &Realm, topic: &Topic) -> bool {
        self.in_realm(realm).any(|pattern| pattern.matches(topic))
    }

    /// What in `realm` is waited for.
    pub fn in_realm(&self, realm: &Realm) -> impl Iterator<Item = &Pattern> {
        self.0.get(realm).into_iter().flat_map(|patterns| patterns.iter())
    }

    /// Every realm in which something is waited for, with what.
    pub fn realms(&self) -> impl Iterator<Item = (&Realm, &[Pattern])> {
        self.0.iter().map(|(realm, patterns)| (realm, &**patterns))
    }

    /// The same, but for what is waited for in `realm`.
    #[must_use]
    pub fn with_realm(&self, realm: &Realm, patterns: Arc<[Pattern]>) -> Self {
        let mut realms = self.0.clone();
        if patterns.is_empty() {
            realms.remove(realm);
        } else {
            realms.insert(realm.clone(), patterns);
        }
        Self(realms)
    }
}

impl FromIterator<(Realm, Arc<[Pattern]>)> for Demand {
    fn from_iter<I: IntoIterator<Item = (Realm, Arc<[Pattern]>)>>(realms: I) -> Self {
        Self(realms.into_iter().filter(|(_, patterns)| !patterns.is_empty()).collect())
    }
}

/// Why an event was not taken, or a subscription ended.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Topic or pattern break a rule.
    #[error(transparent)]
    Topic(#[from] InvalidTopic),
    /// The payload is larger than the limit.
    #[error("an event has at most {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// A limit of topics or subscriptions is reached.
    #[error("{0}")]
    Limit(&'static str),
    /// `from` was given for a topic that is not durable.
    #[error("this topic keeps no log: declare it durable to read from an offset")]
    NotDurable,
    /// The subscriber did not keep up, and its policy is to be disconnected.
    #[error(
        "the subscription was too slow and was ended: subscribe again, from the last offset where the topic is durable"
    )]
    TooSlow,
    /// Too much waits for slow subscribers or for the disk.
    #[error("{0}")]
    Overloaded(&'static str),
    /// The disk of the logs is full; events of other topics go on.
    #[error("the disk is full: free space and publish again")]
    DiskFull,
    /// The broker or its log cannot be reached or written.
    #[error("events cannot be published or read at the moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for BusError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Topic(error) => error.code(),
            Self::TooLarge { .. } => ErrorCode::BodyTooLarge,
            Self::Limit(_) => ErrorCode::LimitExceeded,
            Self::NotDurable => ErrorCode::TopicNotDurable,
            Self::TooSlow | Self::Overloaded(_) => ErrorCode::Overloaded,
            Self::DiskFull => ErrorCode::DiskFull,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }
}

/// The deliveries of one subscription; dropping it ends the subscription.
pub type Deliveries = BoxStream<'static, Result<Delivery, BusError>>;

/// The broker.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Publishes one event. On a durable topic it is on disk when this returns, and the offset is its
    /// number there.
    ///
    /// # Errors
    /// `TooLarge`, `Limit`, `Overloaded`, `DiskFull`, `Unavailable`.
    async fn publish(&self, realm: &Realm, topic: &Topic, payload: Bytes) -> Result<Option<u64>, BusError>;

    /// Begins a subscription: every event published after this returns is delivered, in the order of its
    /// topic.
    ///
    /// # Errors
    /// `Limit`, `NotDurable`, `Unavailable`.
    async fn subscribe(&self, wish: Subscribe) -> Result<Deliveries, BusError>;

    /// Which topics somebody waits for, or keeps a log; changes with every subscription.
    fn demand(&self) -> tokio::sync::watch::Receiver<Arc<Demand>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_segment_by_segment() {
        let topic = Topic::parse("db.users.changed").unwrap();
        for (pattern, matches) in [
            ("db.users.changed", true),
            ("db.*.changed", true),
            ("db.>", true),
            (">", true),
            ("db.users", false),
            ("db.users.changed.>", false),
            ("*.users", false),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().matches(&topic), matches, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_a_topic_is_refused() {
        let long = "a".repeat(TOPIC_BYTES_MAX + 1);
        let deep = vec!["a"; TOPIC_SEGMENTS_MAX + 1].join(".");
        for text in
            ["", ".", "a.", ".a", "a..b", "a b", "a\0", "ä", "a.*", "a.>", long.as_str(), deep.as_str()]
        {
            assert!(Topic::parse(text).is_err(), "{text}");
        }
        for text in ["", "a.", "a*.b", ">.a", "a.>.b", "a>", ".>"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
