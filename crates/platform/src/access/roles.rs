//! The roles of members, as requests ask for them: held in memory, and forgotten the moment one changes.

use crate::error::PlatformError;
use crate::store::Store;
use ports::access::Role;
use quick_cache::sync::Cache;
use service_kit::ids::{ProjectId, UserId};
use std::sync::atomic::{AtomicU64, Ordering};

/// Roles held in memory; others are read from the store.
const CACHED_MAX: usize = 50_000;

/// The roles that were asked for lately.
pub(crate) struct RoleBook {
    known: Cache<(ProjectId, UserId), Role>,
    /// Counts changes: what was read before one may not be kept after it.
    changes: AtomicU64,
}

impl RoleBook {
    pub(super) fn new() -> Self {
        Self { known: Cache::new(CACHED_MAX), changes: AtomicU64::new(0) }
    }

    /// The role of an account in a project; `None` where it is no member, or there is no such project.
    pub(super) async fn find(
        &self,
        store: &Store,
        project: &ProjectId,
        account: &UserId,
    ) -> Result<Option<Role>, PlatformError> {
        let member = (project.clone(), account.clone());
        if let Some(role) = self.known.get(&member) {
            return Ok(Some(role));
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let Some(text) = store.role(project, account).await? else { return Ok(None) };
        let role = Role::parse(&text).ok_or(PlatformError::Unreadable { what: "role" })?;
        self.known.insert(member.clone(), role);
        if self.changes.load(Ordering::SeqCst) != changes {
            self.known.remove(&member);
        }
        Ok(Some(role))
    }

    /// Forgets what is known: a member was changed or removed. Rare enough to forget all.
    pub(crate) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.known.clear();
    }
}
