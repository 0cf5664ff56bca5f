//! `ProjectLifecycle` of a store in another process.

use crate::proto::PurgeRequest;
use crate::proto::project_lifecycle_client::ProjectLifecycleClient as Wire;
use crate::remote::{Remote, Signed};
use async_trait::async_trait;
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use service_kit::ids::ProjectId;

/// Has one store of another process remove projects.
pub struct LifecycleClient {
    remote: Remote,
    wire: Wire<Signed>,
    store: &'static str,
}

impl LifecycleClient {
    pub(crate) fn new(remote: Remote, store: &'static str) -> Self {
        let wire = Wire::new(remote.channel());
        Self { remote, wire, store }
    }
}

#[async_trait]
impl ProjectLifecycle for LifecycleClient {
    fn store(&self) -> &'static str {
        self.store
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        let message = PurgeRequest { store: self.store.to_owned(), project: project.to_string() };
        let mut wire = self.wire.clone();
        let purged = self.remote.call(wire.purge(message)).await;
        purged.map(drop).map_err(|status| PurgeError { store: self.store, source: Box::new(status) })
    }
}
