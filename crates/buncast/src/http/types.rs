//! What goes in and out, in JSON.

use crate::config::BuncastConfig;
use crate::log::{LogSize, Retention};
use crate::topic::TopicInfo;
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use utoipa::ToSchema;

/// How long a durable topic keeps its events.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionFields {
    /// Seconds that an event is kept; the server's setting without.
    pub max_age_seconds: Option<u64>,
    /// Bytes that are kept; the server's setting without.
    pub max_bytes: Option<u64>,
}

/// The declaration of a topic.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeclareTopic {
    /// Whether its events are kept on disk, for subscribers that come later.
    pub durable: bool,
    /// How long they are kept.
    #[serde(default)]
    pub retention: Option<RetentionFields>,
}

impl DeclareTopic {
    pub(crate) fn retention(&self, config: &BuncastConfig) -> Option<Retention> {
        let fields = self.retention.unwrap_or_default();
        self.durable.then(|| Retention {
            age_seconds: fields.max_age_seconds.unwrap_or(config.retention_age_seconds),
            bytes_max: fields.max_bytes.unwrap_or(config.retention_bytes),
        })
    }
}

/// A topic that was declared, or published to since the server began.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TopicView {
    /// Its name.
    pub topic: String,
    /// Whether it was declared.
    pub declared: bool,
    /// Whether its events are kept on disk.
    pub durable: bool,
    /// How long.
    pub retention: Option<RetentionFields>,
    /// What its log holds; missing as long as nobody used it since the server began.
    pub log: Option<LogView>,
    /// Subscriptions that its events reach.
    pub subscriptions: usize,
    /// Events published since the server began.
    pub published: u64,
    /// When the last of them was.
    pub last_published_at: Option<String>,
}

/// What a log holds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LogView {
    /// The number of the oldest event.
    pub first_offset: u64,
    /// The number that the next event gets.
    pub next_offset: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl From<LogSize> for LogView {
    fn from(size: LogSize) -> Self {
        Self { first_offset: size.first, next_offset: size.next, bytes: size.bytes }
    }
}

impl From<TopicInfo> for TopicView {
    fn from(info: TopicInfo) -> Self {
        Self {
            topic: info.topic.as_str().to_owned(),
            declared: info.declared,
            durable: info.retention.is_some(),
            retention: info.retention.map(|kept| RetentionFields {
                max_age_seconds: Some(kept.age_seconds),
                max_bytes: Some(kept.bytes_max),
            }),
            log: info.log.map(LogView::from),
            subscriptions: info.subscriptions,
            published: info.published,
            last_published_at: info.last_ms.map(rfc3339),
        }
    }
}

/// One page of topics, in the order of their names.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct TopicList {
    /// The topics.
    pub topics: Vec<TopicView>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<String>,
}

/// An event was taken.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Published {
    /// Its number in the log of a durable topic.
    pub offset: Option<u64>,
}

/// The topics and subscriptions of one realm.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RealmView {
    /// `system`, or the id of a project.
    pub realm: String,
    /// Topics that are remembered.
    pub topics: usize,
    /// Subscriptions that stand.
    pub subscriptions: usize,
}

/// What the broker holds.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// Every realm that was used.
    pub realms: Vec<RealmView>,
    /// The server's own topics.
    pub topics: Vec<TopicView>,
    /// Bytes that wait for subscribers.
    pub buffered_bytes: usize,
}
