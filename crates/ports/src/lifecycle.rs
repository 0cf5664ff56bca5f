//! The end of a project: every store that keeps something of a project can remove it.

use async_trait::async_trait;
use service_kit::ids::ProjectId;

/// A store could not remove a project; it is asked again.
#[derive(Debug, thiserror::Error)]
#[error("{store} could not remove the project")]
pub struct PurgeError {
    /// Which store.
    pub store: &'static str,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A store with something in it that belongs to projects.
#[async_trait]
pub trait ProjectLifecycle: Send + Sync {
    /// The store's name, stable: it stands in the tombstone.
    fn store(&self) -> &'static str;

    /// Removes everything of the project. Idempotent; `Ok` means that nothing is left.
    ///
    /// # Errors
    /// What is left will be asked for again.
    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError>;
}
