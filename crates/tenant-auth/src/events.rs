//! What happens to end users, told in the project's realm on `auth.users.…`. Best effort: the change is
//! stored first, and a broker that is away holds nobody up.

use crate::service::TenantAuthService;
use bytes::Bytes;
use ports::events::{Realm, Topic};
use serde_json::json;
use service_kit::clock::rfc3339;
use service_kit::ids::{EndUserId, ProjectId};
use std::time::Duration;

/// How long the broker may take.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(1);

/// What happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Happened {
    Created,
    Updated,
    Deleted,
    SignedIn,
    EmailVerified,
    PasswordChanged,
}

impl Happened {
    fn topic(self) -> &'static str {
        match self {
            Self::Created => "auth.users.created",
            Self::Updated => "auth.users.updated",
            Self::Deleted => "auth.users.deleted",
            Self::SignedIn => "auth.users.signed_in",
            Self::EmailVerified => "auth.users.email_verified",
            Self::PasswordChanged => "auth.users.password_changed",
        }
    }
}

impl TenantAuthService {
    /// Tells that something happened to `user`.
    pub(crate) async fn tell(&self, project: &ProjectId, user: &EndUserId, happened: Happened) {
        let Ok(topic) = Topic::parse(happened.topic()) else { return };
        let at = rfc3339(self.clock.now_ms());
        let payload = Bytes::from(json!({ "user_id": user, "at": at }).to_string());
        let realm = Realm::Project(project.clone());
        let published = self.events.publish(&realm, &topic, payload);
        match tokio::time::timeout(PUBLISH_TIMEOUT, published).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, topic = happened.topic(), "event was not published"),
            Err(_) => tracing::warn!(topic = happened.topic(), "event was not published in time"),
        }
    }
}
