//! What brings code to a function: registering it, building a version, and the one call that does both and lets
//! the version take calls. Until the switch the version before takes the calls, and after a failure it goes on as
//! if nothing had been.

use crate::announce::Announced;
use crate::build::{Build, Built};
use crate::error::FunctionsError;
use crate::manifest::DEFAULT_EXPORT;
use crate::names;
use crate::registry::{Entry, Live};
use crate::runtime::Runtime;
use crate::service::FunctionsService;
use crate::settings::{AccessSetting, Overrides, SettingsPatch};
use crate::store::changes::Change;
use crate::store::functions::{self, FunctionRow, FunctionState, Save};
use crate::store::versions::VersionRow;
use service_kit::clock::now_ms;
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A function as it was asked for.
#[derive(Debug)]
pub(crate) struct Deploy {
    pub(crate) name: String,
    pub(crate) settings: SettingsPatch,
    /// The export that versions call where they name none.
    pub(crate) handler: Option<String>,
    /// The runtime of versions that name none.
    pub(crate) runtime: Option<Runtime>,
    /// The version that is to take its calls; none for a function that is only registered.
    pub(crate) build: Option<Build>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Deployed<T> {
    /// It is new: the version, or without one the function.
    New(T),
    /// It was there before.
    Known(T),
}

impl FunctionsService {
    /// Registers or deploys, to the end even if the caller goes away.
    pub(crate) async fn deploy(
        self: &Arc<Self>,
        project: ProjectId,
        wanted: Deploy,
    ) -> Result<Deployed<FunctionRow>, FunctionsError> {
        names::check_function(&wanted.name)?;
        wanted.settings.check()?;
        wanted.handler.as_deref().map_or(Ok(()), names::check_handler)?;
        wanted.build.as_ref().map_or(Ok(()), |build| build.check(self.config.bundle_bytes_max))?;
        let service = self.clone();
        self.background.spawn(async move { service.deploy_now(project, wanted).await }).await?
    }

    async fn deploy_now(
        self: &Arc<Self>,
        project: ProjectId,
        wanted: Deploy,
    ) -> Result<Deployed<FunctionRow>, FunctionsError> {
        let _turn = self.locks.enter(&project).await?;
        let before = functions::find(&self.database, &project, &wanted.name).await?;
        let is_new = before.is_none();
        let limit = self.config.functions_max;
        if is_new && functions::count(&self.database, &project).await? >= limit {
            return Err(FunctionsError::TooManyOf { what: "functions", limit, setting: "functions_max" });
        }
        let row = before.unwrap_or_else(|| planned(&project, &wanted));
        let row = FunctionRow {
            access: wanted.settings.access.unwrap_or(row.access),
            settings: row.settings.patched(&wanted.settings),
            runtime: wanted.runtime.unwrap_or(row.runtime),
            updated_at: now_ms(),
            ..row
        };
        match wanted.build {
            None => self.register(row, is_new).await,
            Some(build) => {
                let deployed = self.deploy_build(row.clone(), is_new, build).await;
                if is_new && deployed.is_err() {
                    self.forget(&row).await;
                }
                deployed
            }
        }
    }

    async fn register(
        self: &Arc<Self>,
        row: FunctionRow,
        is_new: bool,
    ) -> Result<Deployed<FunctionRow>, FunctionsError> {
        if !is_new {
            return Ok(Deployed::Known(self.configure_now(row).await?));
        }
        let changes = [Change::registered(row.created_at)];
        functions::save(&self.database, &row, Save { changes: &changes, ..Save::default() }).await?;
        let entry = Entry { access: row.access, live: Live::Nothing, aliases: BTreeMap::new() };
        self.executor.registry.switch(&row.project, &row.name, entry);
        self.announce(&row, None, Announced::Registered).await;
        Ok(Deployed::New(row))
    }

    async fn deploy_build(
        self: &Arc<Self>,
        row: FunctionRow,
        is_new: bool,
        build: Build,
    ) -> Result<Deployed<FunctionRow>, FunctionsError> {
        let built = self.build(&row, build).await?;
        let (version, is_new_version) = (built.version.clone(), built.is_new);
        let mut changes = Vec::new();
        if is_new {
            changes.push(Change::registered(row.created_at));
        }
        if is_new_version {
            changes.push(Change::built(&version, version.created_at));
        }
        let redirected =
            self.redirect(row.clone(), vec![(version.clone(), 1)], (Some(built), &changes)).await;
        let row = match redirected {
            Ok(row) => row,
            Err(error) => {
                if is_new_version {
                    self.forget_version(&row, &version).await;
                }
                return Err(error);
            }
        };
        if is_new {
            self.announce(&row, None, Announced::Registered).await;
        }
        if is_new_version {
            self.announce(&row, Some(&version), Announced::Built).await;
            self.announce(&row, Some(&version), Announced::Deployed).await;
            return Ok(Deployed::New(row));
        }
        self.announce(&row, Some(&version), Announced::Activated).await;
        Ok(Deployed::Known(row))
    }

    /// Builds a version that takes no calls yet, to the end even if the caller goes away.
    pub(crate) async fn build_version(
        self: &Arc<Self>,
        project: ProjectId,
        name: String,
        wanted: Build,
    ) -> Result<Deployed<VersionRow>, FunctionsError> {
        wanted.check(self.config.bundle_bytes_max)?;
        let service = self.clone();
        let work = async move {
            let _turn = service.locks.enter(&project).await?;
            let row = service.get(&project, &name).await?;
            let built = service.build(&row, wanted).await?;
            service.release(&built);
            service.keep_version(row, built).await
        };
        self.background.spawn(work).await?
    }

    async fn keep_version(
        self: &Arc<Self>,
        mut row: FunctionRow,
        Built { version, is_new, ready }: Built,
    ) -> Result<Deployed<VersionRow>, FunctionsError> {
        drop(ready);
        if !is_new {
            return Ok(Deployed::Known(version));
        }
        if row.state == FunctionState::Registered {
            row.state = FunctionState::Built;
        }
        row.updated_at = now_ms();
        let changes = [Change::built(&version, version.created_at)];
        let save = Save { version: Some(&version), changes: &changes, traffic: None };
        if let Err(error) = functions::save(&self.database, &row, save).await {
            self.forget_version(&row, &version).await;
            return Err(error);
        }
        self.announce(&row, Some(&version), Announced::Built).await;
        self.prune_or_warn(&row.id).await;
        Ok(Deployed::New(version))
    }

    /// Removes what a function left that was never stored.
    async fn forget(&self, row: &FunctionRow) {
        let logs = self.logs.purge_function(&row.project, &row.id).await.map_err(FunctionsError::from);
        let removed = logs.and(self.bundles.remove_function(&row.id).await);
        if let Err(error) = removed {
            tracing::warn!(%error, function = %row.id, "remains of a failed deployment are removed at the next start");
        }
    }
}

/// The function as it will be, without a version.
fn planned(project: &ProjectId, wanted: &Deploy) -> FunctionRow {
    let now = now_ms();
    FunctionRow {
        id: FunctionId::generate(),
        project: project.clone(),
        name: wanted.name.clone(),
        runtime: Runtime::default(),
        handler: wanted.handler.clone().unwrap_or_else(|| DEFAULT_EXPORT.to_owned()),
        access: AccessSetting::default(),
        settings: Overrides::default(),
        state: FunctionState::Registered,
        created_at: now,
        updated_at: now,
        deployed_at: 0,
        version: None,
    }
}
