//! What happens to accounts, told on the event bus of the server itself. An event that cannot be published
//! is logged: nothing here waits for it or depends on it.

use crate::service::AuthService;
use ports::events::{Realm, Topic};
use serde_json::json;
use service_kit::clock::rfc3339;
use std::time::Duration;

/// How long publishing may take.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// What happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AccountEvent {
    /// An account was made.
    Registered,
    /// Its password was changed by somebody who knew it.
    PasswordChanged,
    /// Its password was set anew with a link.
    PasswordReset,
}

impl AccountEvent {
    fn topic(self) -> &'static str {
        match self {
            Self::Registered => "accounts.registered",
            Self::PasswordChanged => "accounts.password_changed",
            Self::PasswordReset => "accounts.password_reset",
        }
    }
}

impl AuthService {
    /// Publishes in the background.
    pub(crate) fn publish(&self, event: AccountEvent, account: &str) {
        let Some(events) = self.events.clone() else { return };
        let Ok(topic) = Topic::parse(event.topic()) else { return };
        let payload = json!({ "account": account, "at": rfc3339(self.clock.now_ms()) }).to_string();
        let work = self.drain.work();
        tokio::spawn(async move {
            let published = events.publish(&Realm::System, &topic, payload.into());
            match tokio::time::timeout(PUBLISH_TIMEOUT, published).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, topic = topic.as_str(), "event not published"),
                Err(_) => tracing::warn!(topic = topic.as_str(), "event not published in time"),
            }
            drop(work);
        });
    }
}
