//! How many of something are open at once: of all projects, and of each. A place is free again when it is dropped.

use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When to come back after a limit.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The places that there are, and those that are taken.
#[derive(Debug)]
pub(crate) struct Places {
    /// For whom they are, in the plural.
    what: &'static str,
    /// Those of all projects.
    max: usize,
    /// Those of one project.
    per_project_max: usize,
    taken: Mutex<HashMap<ProjectId, usize>>,
}

/// A place that is taken.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    project: ProjectId,
}

impl Places {
    pub(crate) fn new(what: &'static str, max: usize, per_project_max: usize) -> Arc<Self> {
        Arc::new(Self { what, max, per_project_max, taken: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for `project`.
    ///
    /// # Errors
    /// `overloaded` where all are taken, `rate_limited` where the project has its share.
    pub(crate) fn take(self: &Arc<Self>, project: &ProjectId) -> Result<Place, ApiError> {
        let mut taken = self.lock();
        if taken.values().sum::<usize>() >= self.max {
            let message = format!("the server has as many {} as it may, try again", self.what);
            return Err(ApiError::new(ErrorCode::Overloaded, message).retry_after(RETRY_AFTER));
        }
        let own = taken.entry(project.clone()).or_default();
        if *own >= self.per_project_max {
            let message = format!("the project has as many {} as it may: end some first", self.what);
            return Err(ApiError::new(ErrorCode::RateLimited, message).retry_after(RETRY_AFTER));
        }
        *own += 1;
        Ok(Place { places: self.clone(), project: project.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(own) = taken.get_mut(&self.project) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_its_share_and_all_together_have_theirs() {
        let places = Places::new("streams", 3, 2);
        let (a, b) = (ProjectId::generate(), ProjectId::generate());
        let refused = |project| places.take(project).unwrap_err().code;
        let first = places.take(&a).unwrap();
        let _second = places.take(&a).unwrap();
        assert_eq!(refused(&a), ErrorCode::RateLimited);
        let _third = places.take(&b).unwrap();
        assert_eq!(refused(&b), ErrorCode::Overloaded);
        drop(first);
        let _again = places.take(&b).unwrap();
    }
}
