//! Whether a stream may stay open, and which of its events the caller may see: asked again every
//! `Standing::EVERY`, so that a revoked key, session, role or rule ends it.

use super::Service;
use crate::rights::Rights;
use crate::run::Part;
use crate::subscription::Ended;
use ::routes::Standing;
use ::rules::Access;
use ports::access::{AccessError, Grant};
use ports::events::{Pattern, Topic};
use service_kit::error::Classify as _;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long a stream survives that nobody can be asked.
const UNANSWERED_MAX: Duration = Duration::from_secs(5);
/// Topics whose answer is remembered between two checks.
const TOPICS_MAX: usize = 1_024;

/// Why a stream ends, as its client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason(pub(super) &'static str);

pub(super) const REVOKED: Reason = Reason("revoked");

impl From<&Ended> for Reason {
    fn from(ended: &Ended) -> Self {
        match ended {
            Ended::Removed => Self("removed"),
            Ended::ShuttingDown => Self("shutting_down"),
            Ended::Failed(ports::events::BusError::TooSlow) => Self("too_slow"),
            Ended::Failed(error) => Self(error.code().as_str()),
        }
    }
}

/// The right of one stream to be open.
pub(super) struct Watch {
    service: Service,
    pub(super) standing: Standing,
    /// The one topic of the stream, where it is no pattern.
    topic: Option<Topic>,
    rights: Option<Rights>,
    visible: HashMap<Topic, bool>,
    answered: Instant,
    due_at: Instant,
}

/// What was answered; nothing where nobody could be asked.
pub(super) type Answer = Result<Option<Option<Rights>>, Reason>;

impl Watch {
    /// A watch over a stream that may be opened: of one topic the rules are asked now, of a pattern for
    /// each topic that comes.
    pub(super) async fn open(
        service: Service,
        standing: Standing,
        grant: &Grant,
        pattern: &Pattern,
    ) -> Result<Self, crate::error::BuncastError> {
        let (rights, topic) = (service.rights(grant).await?, pattern.as_topic());
        if let Some(topic) = &topic {
            crate::rights::check(rights.as_ref(), Access::Read, topic)?;
        }
        let (visible, answered) = (HashMap::new(), Instant::now());
        let due_at = answered + Standing::EVERY;
        Ok(Self { service, standing, topic, rights, visible, answered, due_at })
    }

    /// Whether the caller may see these events.
    pub(super) fn shows(&mut self, part: &Part) -> bool {
        let Some(rights) = self.rights.as_ref().filter(|_| self.topic.is_none()) else { return true };
        if self.visible.len() >= TOPICS_MAX {
            self.visible.clear();
        }
        let topic = part.topic();
        *self.visible.entry(topic.clone()).or_insert_with(|| rights.allow(Access::Read, topic))
    }

    /// When it is time to ask again.
    pub(super) fn due_at(&self) -> Instant {
        self.due_at
    }

    /// Waits until then.
    pub(super) async fn due(&self) {
        tokio::time::sleep_until(self.due_at).await;
    }

    /// Asks again.
    pub(super) async fn check(&mut self) -> Result<(), Reason> {
        let answer = self.ask().await;
        self.take(answer)
    }

    /// The question alone, which borrows nothing.
    pub(super) fn ask(&self) -> impl Future<Output = Answer> + Send + use<> {
        let (service, standing) = (self.service.clone(), self.standing.clone());
        async move {
            match standing.check().await {
                Ok(grant) => Ok(service.rights(&grant).await.ok()),
                Err(AccessError::Unavailable(_)) => Ok(None),
                Err(_) => Err(REVOKED),
            }
        }
    }

    /// What follows from its answer.
    pub(super) fn take(&mut self, answer: Answer) -> Result<(), Reason> {
        let now = Instant::now();
        self.due_at = now + Standing::EVERY;
        let Some(rights) = answer? else {
            return if self.answered.elapsed() > UNANSWERED_MAX { Err(REVOKED) } else { Ok(()) };
        };
        self.answered = now;
        (self.rights, self.visible) = (rights, HashMap::new());
        let allowed = self.topic.as_ref().zip(self.rights.as_ref());
        if allowed.is_none_or(|(topic, rights)| rights.allow(Access::Read, topic)) {
            Ok(())
        } else {
            Err(REVOKED)
        }
    }
}
