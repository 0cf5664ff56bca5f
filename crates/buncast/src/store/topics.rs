//! `topics`: what was declared, and how long its events are kept.

use super::{Store, realm_of, realm_text};
use crate::error::BuncastError;
use crate::log::Retention;
use ports::events::{Realm, Topic};
use service_kit::clock::now_ms;
use sql::SqlError;

/// A declared topic.
#[derive(Debug, Clone)]
pub(crate) struct TopicRow {
    pub(crate) realm: Realm,
    pub(crate) topic: Topic,
    /// `None` where it keeps no log.
    pub(crate) retention: Option<Retention>,
}

/// How many topics keep a log, and how many bytes they may keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logs {
    pub(crate) count: usize,
    pub(crate) bytes: u64,
}

type Columns = (String, String, Option<i64>, Option<i64>);

impl Store {
    /// Every declared topic.
    pub(crate) async fn topics(&self) -> Result<Vec<TopicRow>, BuncastError> {
        let rows: Vec<Columns> = sqlx::query_as("SELECT realm, topic, age_seconds, bytes_max FROM topics")
            .fetch_all(self.database.read())
            .await
            .map_err(SqlError::from)?;
        rows.into_iter().map(|row| row_of(row).ok_or(BuncastError::Stored { what: "topic" })).collect()
    }

    /// Declares a topic, or changes its declaration.
    pub(crate) async fn put_topic(&self, row: &TopicRow) -> Result<(), SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query(
            "INSERT INTO topics (realm, topic, age_seconds, bytes_max, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO UPDATE SET age_seconds = excluded.age_seconds, bytes_max = excluded.bytes_max",
        )
        .bind(realm_text(&row.realm))
        .bind(row.topic.as_str())
        .bind(row.retention.map(|retention| signed(retention.age_seconds)))
        .bind(row.retention.map(|retention| signed(retention.bytes_max)))
        .bind(now_ms())
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// Takes a declaration back.
    pub(crate) async fn delete_topic(&self, realm: &Realm, topic: &Topic) -> Result<(), SqlError> {
        let mut write = self.database.write().await?;
        sqlx::query("DELETE FROM topics WHERE realm = $1 AND topic = $2")
            .bind(realm_text(realm))
            .bind(topic.as_str())
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// What the other topics of a realm keep.
    pub(crate) async fn other_logs(&self, realm: &Realm, topic: &Topic) -> Result<Logs, SqlError> {
        let (count, bytes): (i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(sum(bytes_max), 0) FROM topics
             WHERE realm = $1 AND topic <> $2 AND bytes_max IS NOT NULL",
        )
        .bind(realm_text(realm))
        .bind(topic.as_str())
        .fetch_one(self.database.read())
        .await?;
        Ok(Logs {
            count: usize::try_from(count).unwrap_or(usize::MAX),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        })
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn row_of((realm, topic, age_seconds, bytes_max): Columns) -> Option<TopicRow> {
    let retention = match (age_seconds, bytes_max) {
        (Some(age), Some(bytes)) => {
            Some(Retention { age_seconds: u64::try_from(age).ok()?, bytes_max: u64::try_from(bytes).ok()? })
        }
        _ => None,
    };
    Some(TopicRow { realm: realm_of(&realm)?, topic: Topic::parse(&topic).ok()?, retention })
}
