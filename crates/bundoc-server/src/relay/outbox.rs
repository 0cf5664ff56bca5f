//! Events that were committed together with documents, on their way to the bus: one task for all projects,
//! which reads the outboxes that have something, publishes, and settles what was published. A project has a
//! page of its own and then it is the next one's turn. What was published and not settled before a crash is
//! published again with the same `id`.

use crate::live::event_id;
use bson::Bson;
use bundoc::engine::{ChangePosition, DatabaseName, Engine, Outbox, OutboxEntry, Outgoing};
use bundoc::error::EngineError;
use bytes::Bytes;
use ports::events::{BusError, EventBus, Realm, Topic};
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::time::Duration;

/// Entries of one project that are read at once.
const PAGE: usize = 256;
/// The first and the longest wait where the bus or the store cannot be reached.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Nothing more can be done now.
#[derive(Debug, thiserror::Error)]
enum OutboxError {
    #[error(transparent)]
    Store(#[from] EngineError),
    #[error(transparent)]
    Bus(BusError),
}

/// Publishes until the store is closed.
pub(super) async fn run(engine: Arc<dyn Engine>, bus: Arc<dyn EventBus>) {
    let mut filled = engine.watch_outboxes();
    let mut wait = RETRY_MIN;
    loop {
        filled.borrow_and_update();
        match empty_all(&engine, &*bus).await {
            Ok(()) => {
                wait = RETRY_MIN;
                if filled.changed().await.is_err() {
                    return;
                }
            }
            Err(OutboxError::Store(EngineError::Closed)) => return,
            Err(error) => {
                tracing::warn!(%error, "events of batches cannot be published, trying again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
        }
    }
}

/// Publishes what waits, a page of each project in turn, until nothing does.
async fn empty_all(engine: &Arc<dyn Engine>, bus: &dyn EventBus) -> Result<(), OutboxError> {
    loop {
        let waiting = engine.outboxes_waiting(Outbox::Events);
        if waiting.is_empty() {
            return Ok(());
        }
        for database in waiting {
            empty_page(engine, bus, &database).await?;
        }
    }
}

async fn empty_page(
    engine: &Arc<dyn Engine>,
    bus: &dyn EventBus,
    database: &DatabaseName,
) -> Result<(), OutboxError> {
    let (reader, name) = (engine.clone(), database.clone());
    let read = move || reader.outbox(&name, Outbox::Events, ChangePosition::default(), PAGE);
    let page = tokio::task::spawn_blocking(read).await;
    let page = page.unwrap_or_else(|broken| Err(EngineError::Storage(Box::new(broken))))?;
    let Some(last) = page.last().map(|entry| entry.position) else { return Ok(()) };
    if let Ok(project) = ProjectId::parse(database.as_str()) {
        let (realm, epoch) = (Realm::Project(project), engine.epoch(database));
        for entry in &page {
            publish(bus, &realm, &epoch, entry).await?;
        }
    }
    engine.settle_outbox(database, Outbox::Events, last).await?;
    Ok(())
}

/// Publishes one entry. What the bus will never take is left out, and said in the log.
async fn publish(
    bus: &dyn EventBus,
    realm: &Realm,
    epoch: &str,
    entry: &OutboxEntry,
) -> Result<(), OutboxError> {
    let Outgoing::Event { topic, payload } = &entry.outgoing else { return Ok(()) };
    let Some((topic, message)) = message(topic, payload, epoch, entry.position) else { return Ok(()) };
    match bus.publish(realm, &topic, message).await {
        Ok(_) => Ok(()),
        Err(error @ (BusError::Unavailable(_) | BusError::Overloaded(_) | BusError::DiskFull)) => {
            Err(OutboxError::Bus(error))
        }
        Err(error) => {
            tracing::warn!(%error, topic = topic.as_str(), "an event of a batch was not taken by the bus");
            Ok(())
        }
    }
}

/// `{id, payload}`.
fn message(topic: &str, payload: &Bson, epoch: &str, position: ChangePosition) -> Option<(Topic, Bytes)> {
    let topic = Topic::parse(topic).ok()?;
    let mut text = format!("{{\"id\":\"{}\",\"payload\":", event_id(epoch, position)).into_bytes();
    text.extend_from_slice(&crate::json::write_value(payload).ok()?);
    text.push(b'}');
    Some((topic, text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;
    use serde_json::json;

    #[test]
    fn a_message_has_the_key_and_the_payload() {
        let position = ChangePosition { commit: 4, index: 1 };
        for (payload, wanted) in [
            (Bson::from(doc! { "a": [1, "x"] }), json!({ "a": [1, "x"] })),
            (Bson::from("text"), json!("text")),
            (Bson::Null, json!(null)),
        ] {
            let (topic, message) = message("orders.paid", &payload, "e", position).unwrap();
            assert_eq!(topic.as_str(), "orders.paid");
            let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
            assert_eq!(message, json!({ "id": "e-4-1", "payload": wanted }));
        }
        assert!(message("not a topic", &Bson::Null, "e", position).is_none());
    }
}
