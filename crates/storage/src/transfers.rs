//! Objects on their way: how many at once, of which one project has at most half, and how many bytes each
//! project has sent that are not in the table yet.

use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Clone, Copy, Default)]
struct Load {
    transfers: usize,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Under {
    transfers: usize,
    by_project: HashMap<ProjectId, Load>,
}

/// Counts what is on its way.
#[derive(Debug)]
pub(crate) struct Transfers {
    max: usize,
    under: Mutex<Under>,
}

impl Transfers {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, under: Mutex::default() })
    }

    /// A place, if there is one.
    pub(crate) fn begin(self: &Arc<Self>, project: &ProjectId) -> Option<Transfer> {
        let mut under = self.lock();
        let own = under.by_project.get(project).copied().unwrap_or_default();
        if under.transfers >= self.max || own.transfers >= self.max.div_ceil(2) {
            return None;
        }
        under.transfers += 1;
        under.by_project.entry(project.clone()).or_default().transfers += 1;
        Some(Transfer { transfers: self.clone(), project: project.clone(), bytes: 0 })
    }

    fn lock(&self) -> MutexGuard<'_, Under> {
        self.under.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One object on its way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Transfer {
    transfers: Arc<Transfers>,
    project: ProjectId,
    bytes: u64,
}

impl Transfer {
    /// Counts bytes that came; returns all that the project has under way.
    pub(crate) fn received(&mut self, bytes: u64) -> u64 {
        self.bytes += bytes;
        let mut under = self.transfers.lock();
        let own = under.by_project.entry(self.project.clone()).or_default();
        own.bytes += bytes;
        own.bytes
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let mut under = self.transfers.lock();
        under.transfers -= 1;
        if let Some(own) = under.by_project.get_mut(&self.project) {
            own.transfers -= 1;
            own.bytes -= self.bytes;
            if own.transfers == 0 {
                under.by_project.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_project_has_half_of_the_places() {
        let transfers = Transfers::new(4);
        let (one, other) = (ProjectId::generate(), ProjectId::generate());
        let mut first = transfers.begin(&one).unwrap();
        let mut second = transfers.begin(&one).unwrap();
        assert!(transfers.begin(&one).is_none());
        let _third = transfers.begin(&other).unwrap();
        assert_eq!(first.received(10), 10);
        assert_eq!(second.received(5), 15);
        drop(first);
        assert_eq!(second.received(1), 6);
        assert!(transfers.begin(&one).is_some());
    }
}
