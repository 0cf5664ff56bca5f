//! Events of batches and transactions, to the bus. Before a crash what was published may be published again
//! with the same `id`.

use super::outbox::{NotTaken, Receiver};
use crate::live::event_id;
use async_trait::async_trait;
use bson::Bson;
use bundoc::engine::{ChangePosition, Outbox, OutboxEntry, Outgoing};
use bytes::Bytes;
use ports::events::{BusError, EventBus, Realm, Topic};
use service_kit::ids::ProjectId;
use std::sync::Arc;

/// Publishes what batches emit.
pub(super) struct Events(pub(super) Arc<dyn EventBus>);

#[async_trait]
impl Receiver for Events {
    fn outbox(&self) -> Outbox {
        Outbox::Events
    }

    async fn take(&self, project: ProjectId, epoch: &str, entries: &[OutboxEntry]) -> Result<(), NotTaken> {
        let realm = Realm::Project(project);
        for entry in entries {
            self.publish(&realm, epoch, entry).await?;
        }
        Ok(())
    }
}

impl Events {
    /// Publishes one entry. What the bus will never take is left out, and said in the log.
    async fn publish(&self, realm: &Realm, epoch: &str, entry: &OutboxEntry) -> Result<(), BusError> {
        let Outgoing::Event { topic, payload } = &entry.outgoing else { return Ok(()) };
        let Some((topic, message)) = message(topic, payload, epoch, entry.position) else { return Ok(()) };
        match self.0.publish(realm, &topic, message).await {
            Ok(_) => Ok(()),
            Err(error @ (BusError::Unavailable(_) | BusError::Overloaded(_) | BusError::DiskFull)) => {
                Err(error)
            }
            Err(error) => {
                tracing::warn!(%error, topic = topic.as_str(), "an event of a batch was not taken by the bus");
                Ok(())
            }
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
