//! Functions after their deployment: list, settings, logs, removal.

use crate::announce::Announced;
use crate::error::FunctionsError;
use crate::service::FunctionsService;
use crate::settings::SettingsPatch;
use crate::store::changes::{self, Change};
use crate::store::functions::{self, FunctionRow, Save};
use crate::store::variables::Scope;
use crate::store::versions::{self, VersionRow};
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

    /// The versions of a function, the newest first.
    pub(crate) async fn versions(&self, row: &FunctionRow) -> Result<Vec<VersionRow>, FunctionsError> {
        versions::list(&self.database, &row.id).await
    }

    /// What a function and its versions became, the newest first.
    pub(crate) async fn history(&self, row: &FunctionRow) -> Result<Vec<Change>, FunctionsError> {
        changes::list(&self.database, &row.id).await
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
                ..before
            };
            service.configure_now(row).await
        };
        self.background.spawn(work).await?
    }

    /// Stores a function whose settings were changed. Needs the project's turn.
    pub(crate) async fn configure_now(
        self: &Arc<Self>,
        row: FunctionRow,
    ) -> Result<FunctionRow, FunctionsError> {
        let routing = self.routing_of(&row).await?;
        self.apply(&row, (routing, None), Save::default()).await?;
        Ok(row)
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
            service.vault.forget_scope(&project, &Scope::Function(row.id.clone()));
            let active = service.executor.registry.remove(&project, &name);
            service.executor.hosts.remove_function(&project, &name);
            service.forget_triggers(&project, &name).await;
            service.announce(&row, row.version.as_ref(), Announced::Deleted).await;
            let rest = service.clone();
            service.background.spawn(async move {
                for deployment in &active {
                    rest.retire_now(deployment).await;
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
