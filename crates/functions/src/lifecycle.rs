//! The end of a project: its functions, their versions, bundles, workers, variables, domains and lines.

use crate::error::FunctionsError;
use crate::service::FunctionsService;
use crate::store::{functions, variables};
use async_trait::async_trait;
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use service_kit::ids::ProjectId;

const STORE: &str = "functions";

#[async_trait]
impl ProjectLifecycle for FunctionsService {
    fn store(&self) -> &'static str {
        STORE
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        let purged = self.purge_now(project).await;
        purged.map_err(|error| PurgeError { store: STORE, source: Box::new(error) })
    }
}

impl FunctionsService {
    async fn purge_now(&self, project: &ProjectId) -> Result<(), FunctionsError> {
        let _turn = self.locks.enter_last(project).await;
        self.purge_triggers(project).await?;
        for deployment in self.executor.registry.remove_project(project) {
            self.retire_now(&deployment).await;
        }
        for row in functions::list(&self.database, project).await? {
            self.bundles.remove_function(&row.id).await?;
            functions::delete(&self.database, &row.id).await?;
        }
        variables::delete_project(&self.database, project).await?;
        self.vault.forget_project(project);
        self.executor.hosts.remove_project(project);
        self.executor.tables.purge(project).await.map_err(FunctionsError::Files)?;
        Ok(self.logs.purge(project).await?)
    }
}
