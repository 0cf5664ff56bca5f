//! Old versions go: those beyond a number, and those beyond an age. Never one that takes calls, that was active
//! before, or that has an alias.

use crate::error::FunctionsError;
use crate::service::FunctionsService;
use crate::store::functions;
use crate::store::versions::{self, Kept};
use service_kit::clock::now_ms;
use service_kit::ids::FunctionId;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks for versions that became too old.
const EVERY: Duration = Duration::from_secs(3_600);
const DAY_MS: u64 = 86_400_000;

impl FunctionsService {
    /// Removes the versions of a function that are not kept. Needs the project's turn.
    pub(crate) async fn prune_or_warn(&self, function: &FunctionId) {
        if let Err(error) = self.prune(function).await {
            tracing::warn!(%error, %function, "old versions could not be removed");
        }
    }

    async fn prune(&self, function: &FunctionId) -> Result<(), FunctionsError> {
        // The version that was just replaced may still need its file for a worker that starts late.
        let count = self.config.versions_max.max(2);
        let age_ms = i64::try_from(self.config.version_days.saturating_mul(DAY_MS)).unwrap_or(i64::MAX);
        let since_ms = if age_ms == 0 { 0 } else { now_ms().saturating_sub(age_ms) };
        for version_id in versions::beyond(&self.database, function, Kept { count, since_ms }).await? {
            versions::delete(&self.database, &version_id).await?;
            self.bundles.remove_version(function, &version_id).await?;
        }
        Ok(())
    }

    /// Looks for old versions of all functions, again and again until the service ends.
    pub(crate) fn prune_from_now_on(self: &Arc<Self>) {
        let (service, end) = (Arc::downgrade(self), self.streams_end.clone());
        tokio::spawn(async move {
            let mut turns = tokio::time::interval(EVERY);
            loop {
                tokio::select! {
                    () = end.cancelled() => return,
                    _ = turns.tick() => {}
                }
                let Some(service) = service.upgrade() else { return };
                service.prune_all().await;
            }
        });
    }

    async fn prune_all(&self) {
        let rows = match functions::all(&self.database).await {
            Ok(rows) => rows,
            Err(error) => return tracing::warn!(%error, "old versions could not be looked for"),
        };
        for row in rows {
            let Ok(_turn) = self.locks.enter(&row.project).await else { continue };
            self.prune_or_warn(&row.id).await;
        }
    }
}
