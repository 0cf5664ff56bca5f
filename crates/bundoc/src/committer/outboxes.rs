//! Settling: entries of an outbox that were handed on are removed.

use super::{Committer, Group};
use crate::engine::{ChangePosition, DatabaseName, Outbox};
use crate::error::EngineError;
use crate::layout::Space;
use crate::outbox;
use std::sync::Arc;

impl Committer {
    pub(crate) fn settle_outbox(
        &mut self,
        database: &DatabaseName,
        outbox: Outbox,
        upto: ChangePosition,
    ) -> Result<(), EngineError> {
        self.check_writable()?;
        let shared = Arc::clone(&self.shared);
        let Some(database) = shared.catalog.database(database) else { return Ok(()) };
        let mut group = Group::new(&shared.store);
        let mut settled = 0;
        let range = outbox::upto(database.id, outbox, upto);
        for entry in shared.store.view().ascending(Space::Catalog, range) {
            group.remove(Space::Catalog, entry?.0);
            settled += 1;
        }
        self.commit(group, self.last_commit)?;
        shared.outboxes.remove(&database.name, outbox, settled);
        Ok(())
    }
}
