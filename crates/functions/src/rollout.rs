//! Which version takes the calls: deploying one that is built, going back, sharing calls between two, aliases.

use crate::announce::Announced;
use crate::build::Built;
use crate::error::FunctionsError;
use crate::names;
use crate::registry::LIVE;
use crate::routing::{Preparation, Routing, Warmth};
use crate::service::FunctionsService;
use crate::store::aliases::{self, AliasRow};
use crate::store::changes::{self, Change};
use crate::store::functions::{self, FunctionRow, FunctionState, Save};
use crate::store::versions::{self, VersionRow};
use service_kit::clock::now_ms;
use service_kit::ids::ProjectId;
use std::sync::Arc;

/// Versions that share calls.
const SHARES_MAX: usize = 2;
/// The largest weight of one.
const WEIGHT_MAX: u32 = 10_000;

/// Which version is meant.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// The one of this name.
    Named(String),
    /// The one that was active before.
    Previous,
}

impl FunctionsService {
    /// One version of a function.
    pub(crate) async fn version(&self, row: &FunctionRow, name: &str) -> Result<VersionRow, FunctionsError> {
        versions::find(&self.database, &row.id, name).await?.ok_or(FunctionsError::VersionNotFound)
    }

    /// Lets a version that is there take the calls, to the end even if the caller goes away.
    pub(crate) async fn promote(
        self: &Arc<Self>,
        (project, name): (ProjectId, String),
        wanted: Wanted,
    ) -> Result<FunctionRow, FunctionsError> {
        let service = self.clone();
        let work = async move {
            let _turn = service.locks.enter(&project).await?;
            let row = service.get(&project, &name).await?;
            let version = match wanted {
                Wanted::Named(version) => service.version(&row, &version).await?,
                Wanted::Previous => {
                    let previous = versions::previous(&service.database, &row.id).await?;
                    previous.filter(|_| row.version.is_some()).ok_or(FunctionsError::NoPrevious)?
                }
            };
            service.share_now(row, vec![(version, 1)]).await
        };
        self.background.spawn(work).await?
    }

    /// Shares the calls between versions by weight.
    pub(crate) async fn share(
        self: &Arc<Self>,
        (project, name): (ProjectId, String),
        wanted: Vec<(String, u32)>,
    ) -> Result<FunctionRow, FunctionsError> {
        check_shares(&wanted)?;
        let service = self.clone();
        let work = async move {
            let _turn = service.locks.enter(&project).await?;
            let row = service.get(&project, &name).await?;
            let mut live = Vec::with_capacity(wanted.len());
            for (version, weight) in wanted.into_iter().filter(|(_, weight)| *weight > 0) {
                live.push((service.version(&row, &version).await?, weight));
            }
            service.share_now(row, live).await
        };
        self.background.spawn(work).await?
    }

    async fn share_now(
        self: &Arc<Self>,
        row: FunctionRow,
        live: Vec<(VersionRow, u32)>,
    ) -> Result<FunctionRow, FunctionsError> {
        let history = changes::list(&self.database, &row.id).await?;
        let was_live = self.routing_of(&row).await?.live;
        let row = self.redirect(row, live.clone(), (None, &[])).await?;
        for (version, _) in &live {
            if was_live.iter().any(|(before, _)| before.id == version.id) && live.len() > 1 {
                continue;
            }
            let was_deployed =
                history.iter().any(|change| change.state == "deployed" && change.version_id == version.id);
            let what = if was_deployed { Announced::Activated } else { Announced::Deployed };
            self.announce(&row, Some(version), what).await;
        }
        Ok(row)
    }

    /// Lets `live` take the calls: workers, then the store, then the switch. Whatever else is to be stored goes
    /// with it. Needs the project's turn.
    pub(crate) async fn redirect(
        self: &Arc<Self>,
        row: FunctionRow,
        live: Vec<(VersionRow, u32)>,
        (built, changes): (Option<Built>, &[Change]),
    ) -> Result<FunctionRow, FunctionsError> {
        let before = self.routing_of(&row).await?;
        let row = redirected(row, &live);
        let (new, ready) = match built {
            Some(Built { version, is_new, ready }) => (is_new.then_some(version), ready),
            None => (None, None),
        };
        let mut changes = changes.to_vec();
        let newly =
            live.iter().filter(|(version, _)| before.live.iter().all(|(known, _)| known.id != version.id));
        changes.extend(newly.map(|(version, _)| Change::deployed(version, row.updated_at)));
        let shares: Vec<_> = live.iter().map(|(version, weight)| (version.id.clone(), *weight)).collect();
        let save = Save {
            version: new.as_ref(),
            changes: &changes,
            traffic: Some(if shares.len() > 1 { &shares } else { &[] }),
        };
        self.apply(&row, (Routing { live, aliases: before.aliases }, ready), save).await?;
        self.follow_triggers(&row).await;
        if let Some(version) = &row.version {
            tracing::info!(function = %row.id, version = %version.version, "version is active");
        }
        self.prune_or_warn(&row.id).await;
        Ok(row)
    }

    /// Prepares workers and the tables of an application, stores, switches.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        row: &FunctionRow,
        (routing, ready): (Routing, Option<Arc<crate::registry::Deployment>>),
        save: Save<'_>,
    ) -> Result<(), FunctionsError> {
        let environment = self.environment(&row.project, &row.id).await?;
        let preparation = Preparation { warmth: Warmth::Live, environment: Some(&environment), ready };
        let prepared = self.prepare(row, &routing, preparation).await?;
        let stored = match prepared.load_applications().await {
            Ok(()) => functions::save(&self.database, row, save).await,
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            self.abandon(prepared);
            return Err(error);
        }
        self.switch(row, prepared);
        Ok(())
    }

    /// The aliases of a function, with their versions.
    pub(crate) async fn aliases(
        &self,
        row: &FunctionRow,
    ) -> Result<Vec<(AliasRow, VersionRow)>, FunctionsError> {
        let known = versions::list(&self.database, &row.id).await?;
        let version = |id: &str| known.iter().find(|version| version.id == id).cloned();
        let aliases = aliases::list(&self.database, &row.id).await?;
        Ok(aliases
            .into_iter()
            .filter_map(|alias| version(&alias.version_id).map(|row| (alias, row)))
            .collect())
    }

    /// Gives a version a name of its own under which it can be called. `live` is what the function serves.
    pub(crate) async fn set_alias(
        self: &Arc<Self>,
        (project, name): (ProjectId, String),
        alias: String,
        version: String,
    ) -> Result<(AliasRow, VersionRow), FunctionsError> {
        names::check_alias(&alias)?;
        if alias == LIVE {
            return Err(FunctionsError::Invalid(
                "`live` follows the deployed version: deploy another one instead",
            ));
        }
        let service = self.clone();
        let work = async move {
            let _turn = service.locks.enter(&project).await?;
            let row = service.get(&project, &name).await?;
            let version = service.version(&row, &version).await?;
            let known = aliases::list(&service.database, &row.id).await?;
            let before = known.iter().find(|known| known.name == alias);
            let limit = service.config.aliases_max;
            if before.is_none() && known.len() >= limit {
                return Err(FunctionsError::TooManyOf { what: "aliases", limit, setting: "aliases_max" });
            }
            let now = now_ms();
            let created_at = before.map_or(now, |before| before.created_at);
            let alias = AliasRow { name: alias, version_id: version.id.clone(), created_at, updated_at: now };
            let mut routing = service.routing_of(&row).await?;
            routing.aliases.retain(|(name, _)| *name != alias.name);
            routing.aliases.push((alias.name.clone(), version.clone()));
            let written = aliases::put(&service.database, &row.id, &alias);
            service.rename(&row, routing, written).await?;
            Ok((alias, version))
        };
        self.background.spawn(work).await?
    }

    /// Takes a name away.
    pub(crate) async fn remove_alias(
        self: &Arc<Self>,
        (project, name): (ProjectId, String),
        alias: String,
    ) -> Result<(), FunctionsError> {
        let service = self.clone();
        let work = async move {
            let _turn = service.locks.enter(&project).await?;
            let row = service.get(&project, &name).await?;
            let known = aliases::list(&service.database, &row.id).await?;
            if !known.iter().any(|known| known.name == alias) {
                return Err(FunctionsError::VersionNotFound);
            }
            let mut routing = service.routing_of(&row).await?;
            routing.aliases.retain(|(name, _)| *name != alias);
            let written = aliases::delete(&service.database, &row.id, &alias);
            service.rename(&row, routing, written).await
        };
        self.background.spawn(work).await?
    }

    /// Prepares, writes what is to be stored, and switches.
    async fn rename(
        self: &Arc<Self>,
        row: &FunctionRow,
        routing: Routing,
        written: impl Future<Output = Result<(), FunctionsError>>,
    ) -> Result<(), FunctionsError> {
        let environment = self.environment(&row.project, &row.id).await?;
        let preparation = Preparation { warmth: Warmth::Busy, environment: Some(&environment), ready: None };
        let prepared = self.prepare(row, &routing, preparation).await?;
        if let Err(error) = written.await {
            self.abandon(prepared);
            return Err(error);
        }
        self.switch(row, prepared);
        Ok(())
    }
}

/// The function once `live` takes its calls: the heaviest is the active version.
fn redirected(row: FunctionRow, live: &[(VersionRow, u32)]) -> FunctionRow {
    let now = now_ms();
    // The first of those that weigh the same.
    let active = live.iter().rev().max_by_key(|(_, weight)| *weight).map(|(version, _)| version.clone());
    let id = |version: &Option<VersionRow>| version.as_ref().map(|version| version.id.clone());
    let stays = id(&active) == id(&row.version);
    FunctionRow {
        state: FunctionState::Deployed,
        updated_at: now,
        deployed_at: if stays { row.deployed_at } else { now },
        version: active,
        ..row
    }
}

fn check_shares(wanted: &[(String, u32)]) -> Result<(), FunctionsError> {
    let twice =
        wanted.iter().enumerate().any(|(at, (name, _))| wanted[..at].iter().any(|(other, _)| other == name));
    if wanted.is_empty() || wanted.len() > SHARES_MAX || twice {
        return Err(FunctionsError::Invalid("`versions` has to name one version, or two different ones"));
    }
    if wanted.iter().any(|(_, weight)| *weight > WEIGHT_MAX) || wanted.iter().all(|(_, weight)| *weight == 0)
    {
        return Err(FunctionsError::Invalid("`weight` is between 0 and 10000, and not 0 for all"));
    }
    Ok(())
}
