//! One change of a project's functions at a time, so that deployments, settings and the end of a project
//! never mix. Keyed by project: no project waits for another.

use crate::error::FunctionsError;
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// State behind a project's lock.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Whether the project was removed while others waited for their turn.
    gone: bool,
}

/// The locks that are held or waited for.
#[derive(Debug, Default)]
pub(crate) struct ProjectLocks {
    locks: Mutex<HashMap<ProjectId, Arc<AsyncMutex<Turn>>>>,
}

impl ProjectLocks {
    /// Waits for the turn of a change.
    pub(crate) async fn enter(&self, project: &ProjectId) -> Result<OwnedMutexGuard<Turn>, FunctionsError> {
        let turn = self.lock(project).lock_owned().await;
        if turn.gone { Err(FunctionsError::ProjectGone) } else { Ok(turn) }
    }

    /// Waits for the turn of the removal: whoever waits behind it finds the project gone.
    pub(crate) async fn enter_last(&self, project: &ProjectId) -> OwnedMutexGuard<Turn> {
        let mut turn = self.lock(project).lock_owned().await;
        turn.gone = true;
        turn
    }

    fn lock(&self, project: &ProjectId) -> Arc<AsyncMutex<Turn>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks.entry(project.clone()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_behind_the_removal_finds_the_project_gone() {
        let locks = Arc::new(ProjectLocks::default());
        let project = ProjectId::generate();
        let first = locks.enter(&project).await.unwrap();
        let removal = tokio::spawn({
            let (locks, project) = (locks.clone(), project.clone());
            async move { drop(locks.enter_last(&project).await) }
        });
        tokio::task::yield_now().await;
        let late = tokio::spawn({
            let (locks, project) = (locks.clone(), project.clone());
            async move { locks.enter(&project).await.is_err() }
        });
        tokio::task::yield_now().await;
        assert!(locks.enter(&ProjectId::generate()).await.is_ok());
        drop(first);
        removal.await.unwrap();
        assert!(late.await.unwrap());
    }
}
