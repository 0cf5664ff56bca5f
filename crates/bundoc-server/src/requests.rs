//! How many requests of one project are answered at the same time. A project over its limit is turned
//! away at once, before any work; projects without open requests have no entry.

use crate::limit::Limit;
use service_kit::error::ApiError;
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When to come back: most requests take milliseconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The open requests of all projects.
pub(crate) struct OpenRequests {
    per_project_max: usize,
    by_project: Mutex<HashMap<ProjectId, usize>>,
    open: metrics::Gauge,
}

/// One open request; closed when it is dropped.
pub(crate) struct OpenRequest {
    requests: Arc<OpenRequests>,
    project: ProjectId,
}

impl OpenRequests {
    pub(crate) fn new(per_project_max: usize) -> Arc<Self> {
        let open = metrics::gauge!("bunbase_documents_requests_open");
        Arc::new(Self { per_project_max, by_project: Mutex::default(), open })
    }

    /// Counts a request of `project`.
    ///
    /// # Errors
    /// `rate_limited` where the project has as many as it may.
    pub(crate) fn enter(self: &Arc<Self>, project: &ProjectId) -> Result<OpenRequest, ApiError> {
        let mut by_project = self.lock();
        let count = by_project.get(project).copied().unwrap_or_default();
        if count >= self.per_project_max {
            let message = format!("the project has {count} requests open, which is as many as it may");
            return Err(Limit::RequestsPerProject.refusal(message).retry_after(RETRY_AFTER));
        }
        by_project.insert(project.clone(), count + 1);
        drop(by_project);
        self.open.increment(1);
        Ok(OpenRequest { requests: self.clone(), project: project.clone() })
    }

    /// How many projects have some open.
    pub(crate) fn projects(&self) -> usize {
        self.lock().len()
    }

    /// How many of a project are open.
    pub(crate) fn of(&self, project: &ProjectId) -> usize {
        self.lock().get(project).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, usize>> {
        self.by_project.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut by_project = self.requests.lock();
        match by_project.get_mut(&self.project) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                by_project.remove(&self.project);
            }
        }
        drop(by_project);
        self.requests.open.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use service_kit::error::ErrorCode;

    #[test]
    fn a_project_over_its_limit_is_turned_away_and_others_are_not() {
        let requests = OpenRequests::new(2);
        let (busy, other) = (ProjectId::generate(), ProjectId::generate());
        let held = [requests.enter(&busy).unwrap(), requests.enter(&busy).unwrap()];
        let refused = requests.enter(&busy).err().unwrap();
        assert_eq!((refused.code, refused.retry_after), (ErrorCode::RateLimited, Some(RETRY_AFTER)));
        assert!(requests.enter(&other).is_ok());
        drop(held);
        assert!(requests.enter(&busy).is_ok());
    }

    #[test]
    fn nothing_is_kept_of_projects_without_requests() {
        let requests = OpenRequests::new(2);
        for _ in 0..10 {
            drop(requests.enter(&ProjectId::generate()).unwrap());
        }
        assert!(requests.lock().is_empty());
    }
}
