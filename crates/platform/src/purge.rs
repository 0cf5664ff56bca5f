//! Removing deleted projects from every store. One task for each store, so that one that hangs or fails
//! holds up no other; a store is asked until it has answered, also after a restart. When all have answered,
//! and a moment has passed, all are asked once more: a write that was on its way while the project was
//! deleted may have come after the first answer.

use crate::access::ProjectAccess;
use crate::config::PlatformConfig;
use crate::error::PlatformError;
use crate::metrics;
use crate::store::{Answered, Purge};
use ports::lifecycle::ProjectLifecycle;
use service_kit::clock::now_ms;
use service_kit::drain::Drain;
use service_kit::ids::ProjectId;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The longest that a store may take for one project before it is asked again.
const PURGE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The longest wait between two looks at what is due.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// One store and what its task needs.
pub(crate) struct Purger {
    store: Arc<dyn ProjectLifecycle>,
    access: Arc<ProjectAccess>,
    config: PlatformConfig,
    /// Changes when a project was deleted, or its second round begins.
    deleted: watch::Sender<u64>,
    changes: watch::Receiver<u64>,
}

impl Purger {
    pub(crate) fn new(
        store: Arc<dyn ProjectLifecycle>,
        access: Arc<ProjectAccess>,
        config: PlatformConfig,
        deleted: &watch::Sender<u64>,
    ) -> Self {
        Self { store, access, config, deleted: deleted.clone(), changes: deleted.subscribe() }
    }

    /// Works until `drain` starts. A purge that is cut short is begun again at the next start.
    pub(crate) async fn run(mut self, drain: Drain) {
        let _work = drain.work();
        tokio::select! {
            () = self.work() => {}
            () = drain.started() => {}
        }
    }

    async fn work(&mut self) {
        loop {
            self.changes.mark_unchanged();
            let wait = match self.step().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(
                        store = self.store.store(),
                        error = &error as &dyn Error,
                        "purges could not be read or noted"
                    );
                    self.config.purge_backoff(1)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.changes.changed() => {}
            }
        }
    }

    /// Does what is due first and says how long to wait for the next.
    async fn step(&self) -> Result<Duration, PlatformError> {
        let Some(next) = self.access.store.next_purge(self.store.store()).await? else { return Ok(IDLE) };
        let wait_ms = u64::try_from(next.due_at - now_ms()).unwrap_or(0);
        if wait_ms > 0 {
            return Ok(Duration::from_millis(wait_ms).min(IDLE));
        }
        self.purge(next).await?;
        Ok(Duration::ZERO)
    }

    async fn purge(&self, mut due: Purge) -> Result<(), PlatformError> {
        let store = self.store.store();
        let project =
            ProjectId::parse(&due.project).map_err(|_| PlatformError::Unreadable { what: "tombstone" })?;
        match tokio::time::timeout(PURGE_TIMEOUT, self.store.purge(&project)).await {
            Ok(Ok(())) => {
                metrics::purge("removed");
                return self.answered(&project).await;
            }
            Ok(Err(error)) => {
                tracing::warn!(store, %project, error = &error as &dyn Error, "project could not be removed");
            }
            Err(_) => tracing::warn!(store, %project, "removing the project took too long"),
        }
        metrics::purge("failed");
        due.attempts = due.attempts.saturating_add(1);
        let backoff_ms = self.config.purge_backoff(due.attempts).as_millis();
        due.due_at = now_ms().saturating_add(i64::try_from(backoff_ms).unwrap_or(i64::MAX));
        Ok(self.access.store.postpone_purge(store, &due).await?)
    }
    async fn answered(&self, project: &ProjectId) -> Result<(), PlatformError> {
        let again_at = self.config.purge_again_at(now_ms());
        match self.access.store.finish_purge(self.store.store(), project.as_str(), again_at).await? {
            Answered::OthersWait => {}
            Answered::SecondRound => self.deleted.send_modify(|count| *count += 1),
            Answered::Removed => tracing::info!(%project, "project removed from every store"),
        }
        Ok(())
    }
}
