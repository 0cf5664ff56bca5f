//! Functions after their deployment: list, settings, logs, removal.

use crate::announce::Announced;
use crate::error::FunctionsError;
use crate::service::FunctionsService;
use crate::settings::SettingsPatch;
use crate::store::functions::{self, FunctionRow};
use run_log::{LogPage, LogQuery};
use service_kit::clock::now_ms;
use service_kit::ids::ProjectId;
use std::sync::Arc;

impl FunctionsService {
    /// The functions of a project.
    pub(crate) async fn list(&self, project: &ProjectId) -> Result<Vec<FunctionRow>, FunctionsError> {
        functions::list(&self.database, project).await
    }

    /// One function.
    pub(crate) async fn get(&self, project: &ProjectId, name: &str) -> Result<FunctionRow, FunctionsError> {
        functions::find(&self.database, project, name).await?.ok_or(FunctionsError::NotFound)
    }

    /// Changes settings, to the end even if the caller goes away. Later calls have them; calls in flight
    /// end under those they began with.
    pub(crate) async fn configure(
        self: &Arc<Self>,
        project: ProjectId,
        name: String,
        patch: SettingsPatch,
    ) -> Result<FunctionRow, FunctionsError> {
        patch.check()?;
        let service = self.clone();
        let work = async move {
            let _turn = service.locks.enter(&project).await?;
            let before = service.get(&project, &name).await?;
            let row = FunctionRow {
                access: patch.access.unwrap_or(before.access),
                settings: before.settings.patched(&patch),
                updated_at: now_ms(),
                ..before.clone()
            };
            service.activate(Some(before), row).await
        };
        self.background.spawn(work).await?
    }

    /// Removes a function, its versions and its log. Calls in flight end; new ones are answered 404.
    pub(crate) async fn delete(
        self: &Arc<Self>,
        project: ProjectId,
        name: String,
    ) -> Result<(), FunctionsError> {
        let service = self.clone();
        let work = async move {
            let _turn = service.locks.enter(&project).await?;
            let row = service.get(&project, &name).await?;
            functions::delete(&service.database, &row.id).await?;
            let active = service.executor.registry.remove(&project, &name);
            service.announce(&row, Announced::Deleted).await;
            let rest = service.clone();
            service.background.spawn(async move {
                if let Some(active) = active {
                    rest.retire_now(&active).await;
                }
                if let Err(error) = rest.clear(&row).await {
                    tracing::warn!(%error, function = %row.id, "remains of a function are removed at the next start");
                }
            });
            Ok(())
        };
        self.background.spawn(work).await?
    }

    /// Removes the files and lines of a function that is not in the registry any more.
    pub(crate) async fn clear(&self, row: &FunctionRow) -> Result<(), FunctionsError> {
        self.bundles.remove_function(&row.id).await?;
        Ok(self.logs.purge_function(&row.project, &row.id).await?)
    }

    /// Lines of one function.
    pub(crate) async fn logs(
        &self,
        project: &ProjectId,
        name: &str,
        wanted: LogQuery,
    ) -> Result<LogPage, FunctionsError> {
        let row = self.get(project, name).await?;
        Ok(self.logs.query(project, &row.id, wanted).await?)
    }
}
