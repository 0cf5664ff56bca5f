//! Declaring and removing topics: first in the store, then in the broker.

use crate::error::BuncastError;
use crate::log::Retention;
use crate::service::BuncastService;
use crate::store::TopicRow;
use crate::topic::TopicInfo;
use ports::events::{Realm, Topic};

/// The longest that events are kept: 10 years.
const AGE_SECONDS_MAX: u64 = 10 * 366 * 86_400;
/// The least bytes that a log is given.
const LOG_BYTES_MIN: u64 = 64 << 10;

impl BuncastService {
    /// Declares a topic, or changes how long its events are kept. With a retention it keeps a log from now
    /// on; without, it is only remembered.
    pub(crate) async fn declare(
        &self,
        realm: &Realm,
        topic: &Topic,
        retention: Option<Retention>,
    ) -> Result<TopicInfo, BuncastError> {
        if let Some(retention) = retention {
            check_retention(retention)?;
        }
        let _turn = self.declaring.lock().await;
        let known = self.broker.info(realm, topic).await;
        let is_durable = known.is_some_and(|info| info.retention.is_some());
        if is_durable && retention.is_none() {
            return Err(BuncastError::KeepsLog);
        }
        if let Some(retention) = retention {
            self.check_logs(realm, topic, retention).await?;
        }
        if !is_durable && retention.is_some() {
            // What an earlier topic of this name may have left, where its removal was cut short.
            self.broker.sweep(realm, topic).await?;
        }
        // Held until it is declared, so that the broker has a place for it.
        let _place = self.broker.realm(realm).topic(topic)?;
        let row = TopicRow { realm: realm.clone(), topic: topic.clone(), retention };
        self.store.put_topic(&row).await?;
        self.broker.declare(realm, topic, retention);
        self.broker.info(realm, topic).await.ok_or(BuncastError::TopicNotFound)
    }

    /// Whether the realm may have one more log, or one that keeps this much.
    async fn check_logs(
        &self,
        realm: &Realm,
        topic: &Topic,
        retention: Retention,
    ) -> Result<(), BuncastError> {
        let others = self.store.other_logs(realm, topic).await?;
        let (max, bytes_max) =
            (self.config.durable_topics_per_realm_max, self.config.log_bytes_per_realm_max);
        if others.count >= max {
            return Err(BuncastError::TooManyDurable { max });
        }
        if others.bytes.saturating_add(retention.bytes_max) > bytes_max {
            return Err(BuncastError::LogBytes { bytes_max });
        }
        Ok(())
    }

    /// Removes a topic with its log. Subscriptions stand.
    pub(crate) async fn remove(&self, realm: &Realm, topic: &Topic) -> Result<(), BuncastError> {
        let _turn = self.declaring.lock().await;
        self.store.delete_topic(realm, topic).await?;
        if self.broker.remove(realm, topic).await? { Ok(()) } else { Err(BuncastError::TopicNotFound) }
    }
}

fn check_retention(retention: Retention) -> Result<(), BuncastError> {
    let valid =
        (1..=AGE_SECONDS_MAX).contains(&retention.age_seconds) && retention.bytes_max >= LOG_BYTES_MIN;
    if valid { Ok(()) } else { Err(BuncastError::Retention) }
}
