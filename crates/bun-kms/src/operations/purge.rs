//! The end of a project: its key is destroyed, and with it everything that was ever sealed for it, in
//! copies and backups as well, as far as those do not hold the key too.

use crate::audit::Operation;
use crate::error::OperationError;
use crate::kms::{Done, Kms, Scope};
use crate::store::Store;

impl Kms {
    /// Destroys a project's key, then its rows. Done again, it does nothing.
    pub(crate) async fn purge(&self, scope: &Scope) -> Result<(), OperationError> {
        let event = scope.event(Operation::ProjectPurge);
        let mut write = self.begin(&event).await?;
        let deleted = Store::delete_project(&mut write, &scope.project).await;
        let deleted = deleted.map(Done::plain).map_err(Into::into);
        let purged = self.committed(event, write, deleted).await;
        self.keks.forget(&scope.project);
        self.ring.forget_project(&scope.project);
        purged?;
        Ok(self.store.checkpoint().await?)
    }
}
