//! Which versions of a function run, and how calls are spread over them: workers are prepared, then the store is
//! written, then the table is switched. Until the switch nothing has changed for callers.

use crate::application::Application;
use crate::environment::Environment;
use crate::error::FunctionsError;
use crate::handlers::{HandlerTerms, Handlers};
use crate::manifest::Manifest;
use crate::registry::{Deployment, Entry, Live, Owner, Terms};
use crate::runtime::Pool;
use crate::service::FunctionsService;
use crate::settings::FunctionSettings;
use crate::store::aliases;
use crate::store::functions::{self, FunctionRow};
use crate::store::versions::{self, VersionRow};
use quickjs_lane::LaneSpec;
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_util::task::TaskTracker;
use worker_pool::VersionSpec;

/// Which workers are started before a switch, and not by the first call after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Warmth {
    /// Those of the versions that take the function's own calls.
    Live,
    /// Those of versions that had workers.
    Busy,
    /// None.
    Cold,
}

/// Which versions take which calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routing {
    /// Those that take the function's own calls, with their weights.
    pub(crate) live: Vec<(VersionRow, u32)>,
    pub(crate) aliases: Vec<(String, VersionRow)>,
}

/// With what a switch is prepared.
pub(crate) struct Preparation<'a> {
    pub(crate) warmth: Warmth,
    /// `None` where the variables cannot be opened.
    pub(crate) environment: Option<&'a Environment>,
    /// A deployment that is in no table yet, to be used where it fits and given up where not.
    pub(crate) ready: Option<Arc<Deployment>>,
}

/// Workers that are ready for a switch.
pub(crate) struct Prepared {
    entry: Entry,
    fresh: Vec<Arc<Deployment>>,
}

impl Prepared {
    /// Loads what takes the function's own calls and is an application: what is wrong with it, or with its
    /// migrations, shows here, and not in a call.
    pub(crate) async fn load_applications(&self) -> Result<(), FunctionsError> {
        for deployment in self.entry.live.deployments() {
            if let (Some(application), Some(pool)) = (&deployment.application, &deployment.pool) {
                application.load(pool).await?;
            }
        }
        Ok(())
    }
}

impl FunctionsService {
    /// The routing as it is stored.
    pub(crate) async fn routing_of(&self, row: &FunctionRow) -> Result<Routing, FunctionsError> {
        let shares = functions::traffic(&self.database, &row.id).await?;
        let aliases = aliases::list(&self.database, &row.id).await?;
        let active = row.version.clone();
        if shares.is_empty() && aliases.is_empty() {
            return Ok(Routing {
                live: active.map(|version| (version, 1)).into_iter().collect(),
                ..Routing::default()
            });
        }
        let known = versions::list(&self.database, &row.id).await?;
        let by_id = |id: &str| known.iter().find(|version| version.id == id).cloned();
        let shared: Vec<_> = shares.iter().filter_map(|(id, weight)| Some((by_id(id)?, *weight))).collect();
        let live =
            if shared.is_empty() { active.map(|version| (version, 1)).into_iter().collect() } else { shared };
        let named = aliases.into_iter().filter_map(|alias| Some((alias.name, by_id(&alias.version_id)?)));
        Ok(Routing { live, aliases: named.collect() })
    }

    /// Starts what the routing needs and is not there under the same terms. `ready` may be one of them.
    pub(crate) async fn prepare(
        &self,
        row: &FunctionRow,
        routing: &Routing,
        Preparation { warmth, environment, ready }: Preparation<'_>,
    ) -> Result<Prepared, FunctionsError> {
        let known = self.executor.registry.deployments(&row.project, &row.name);
        let mut deck =
            Deck { service: self, row, environment, warmth, known, chosen: Vec::new(), fresh: Vec::new() };
        deck.known.extend(ready.clone());
        let dealt = deck.deal(routing).await;
        let Deck { chosen, mut fresh, .. } = deck;
        // What was loaded to see whether it can be is kept where it fits.
        fresh.extend(ready);
        let is_chosen =
            |deployment: &Arc<Deployment>| chosen.iter().any(|each| Arc::ptr_eq(each, deployment));
        let (fresh, unused): (Vec<_>, Vec<_>) =
            fresh.into_iter().partition(|each| dealt.is_ok() && is_chosen(each));
        drop(chosen);
        self.discard(unused);
        dealt.map(|entry| Prepared { entry, fresh })
    }

    /// Makes what was prepared take the calls.
    pub(crate) fn switch(self: &Arc<Self>, row: &FunctionRow, prepared: Prepared) {
        for replaced in self.executor.registry.switch(&row.project, &row.name, prepared.entry) {
            self.retire(replaced);
        }
    }

    /// Gives up what was prepared.
    pub(crate) fn abandon(&self, prepared: Prepared) {
        self.discard(prepared.fresh);
    }

    fn discard(&self, fresh: Vec<Arc<Deployment>>) {
        for deployment in fresh {
            self.executor.registry.disown(&deployment.key);
            // The pool ends its workers when it is dropped: no call has found them.
            drop(deployment);
        }
    }

    /// Prepares and switches to what is stored, with the variables as they are.
    pub(crate) async fn reroute(
        self: &Arc<Self>,
        row: &FunctionRow,
        warmth: Warmth,
    ) -> Result<(), FunctionsError> {
        let routing = self.routing_of(row).await?;
        let environment = self.environment(&row.project, &row.id).await?;
        let preparation = Preparation { warmth, environment: Some(&environment), ready: None };
        let prepared = self.prepare(row, &routing, preparation).await?;
        self.switch(row, prepared);
        Ok(())
    }

    /// Puts a function into the table as it is stored, for its first calls to start its workers; without
    /// variables its calls are refused.
    pub(crate) async fn register_stored(
        self: &Arc<Self>,
        row: &FunctionRow,
        environment: Option<&Environment>,
    ) -> Result<(), FunctionsError> {
        let routing = self.routing_of(row).await?;
        let preparation = Preparation { warmth: Warmth::Cold, environment, ready: None };
        let prepared = self.prepare(row, &routing, preparation).await?;
        self.switch(row, prepared);
        Ok(())
    }

    /// Makes a version callable without a worker or an instance; without variables, where they cannot be opened, it is not.
    fn register_version(&self, order: &Order<'_>) -> Deployment {
        let pool = order.environment.map(|environment| {
            let version = self.spec(order, environment);
            match order.terms.capabilities.clone() {
                None => Pool::Bun(self.pool.register(version)),
                Some(capabilities) => Pool::QuickJs(self.lane.register(LaneSpec { version, capabilities })),
            }
        });
        order.deployment(pool, self.application(&order.row.project, &order.version.manifest))
    }

    /// What stands around the actions of a version, where it is an application.
    pub(crate) fn application(&self, project: &ProjectId, manifest: &Manifest) -> Option<Arc<Application>> {
        Application::of(manifest, (&self.around, project))
    }

    /// Imports a version in a worker or an instance, which is ready for calls then.
    pub(crate) async fn load(&self, order: &Order<'_>) -> Result<Deployment, FunctionsError> {
        let Some(environment) = order.environment else { return Err(FunctionsError::EnvironmentClosed) };
        let version = self.spec(order, environment);
        let key = version.key.clone();
        let loaded = match order.terms.capabilities.clone() {
            None => self.pool.load(version).await.map(Pool::Bun),
            Some(capabilities) => self.lane.load(LaneSpec { version, capabilities }).await.map(Pool::QuickJs),
        };
        match loaded {
            Ok(pool) => {
                let application = self.application(&order.row.project, &order.version.manifest);
                Ok(order.deployment(Some(pool), application))
            }
            Err(error) => {
                self.executor.registry.disown(&key);
                Err(FunctionsError::of_import(error))
            }
        }
    }

    fn spec(&self, order: &Order<'_>, environment: &Environment) -> VersionSpec {
        let Order { row, version, .. } = order;
        let load = self.loads.fetch_add(1, Ordering::Relaxed);
        let key: Arc<str> = format!("{}.{load}", version.id).into();
        self.executor.registry.own(key.clone(), order.owner());
        // Before a worker has them.
        self.logs.redact(&row.project, &row.id, environment.secrets());
        VersionSpec {
            key,
            project: row.project.as_str().into(),
            bundle_path: self.bundles.path(&row.id, &version.id),
            bytecode_path: self.bytecode_path(&row.id, version),
            handlers: order.terms.handlers.iter().map(|handler| handler.export.clone()).collect(),
            env: environment.exposed(),
            settings: order.terms.settings.for_pool(order.terms.allowed_hosts.as_deref()),
        }
    }

    /// The settings that hold for a version that takes the function's own calls, where its runtime can do with
    /// those of the function.
    pub(crate) fn settings_of(
        &self,
        row: &FunctionRow,
        version: &VersionRow,
    ) -> Result<FunctionSettings, FunctionsError> {
        row.settings.check_for(version.manifest.runtime())?;
        let of_version = version.manifest.version_settings(self.config.execution_timeout_ms);
        Ok(row.settings.effective(&of_version, &self.config))
    }

    /// The terms under which a version runs, beside the others or with the function's own calls.
    pub(crate) fn terms(
        &self,
        (row, version): (&FunctionRow, &VersionRow),
        is_live: bool,
        environment: Option<&Environment>,
    ) -> Result<Terms, FunctionsError> {
        let (settings, manifest) = (self.settings_of(row, version)?, &version.manifest);
        let is_own = row.settings.execution_timeout_ms.is_some();
        let default_ms = (!is_own).then_some(self.config.execution_timeout_ms);
        Ok(Terms {
            settings: if is_live { settings } else { settings.beside() },
            allowed_hosts: manifest.allowed_hosts.clone(),
            capabilities: manifest.capabilities_in_lane(),
            environment: environment.map_or_else(|| "".into(), |known| known.revision.clone()),
            handlers: HandlerTerms::of(manifest, default_ms),
        })
    }

    /// Where the bytecode of a version is, if there is any; `None` where there will never be.
    fn bytecode_path(&self, function: &FunctionId, version: &VersionRow) -> Option<std::path::PathBuf> {
        let bun = self.builder.bun_version();
        crate::bytecode::takes_bytecode(version)
            .then(|| self.bundles.bytecode_path(function, &version.id, bun))
    }
}

/// One version that is to run, and under which terms.
pub(crate) struct Order<'a> {
    pub(crate) row: &'a FunctionRow,
    pub(crate) version: &'a VersionRow,
    pub(crate) terms: Terms,
    /// `None` where the variables cannot be opened.
    pub(crate) environment: Option<&'a Environment>,
}

impl Order<'_> {
    fn owner(&self) -> Owner {
        Owner {
            project: self.row.project.clone(),
            function: self.row.id.clone(),
            version: self.version.version.clone(),
        }
    }

    fn deployment(&self, pool: Option<Pool>, application: Option<Arc<Application>>) -> Deployment {
        Deployment {
            owner: Arc::new(self.owner()),
            key: pool.as_ref().map_or_else(|| "".into(), |pool| pool.key().clone()),
            version_id: self.version.id.as_str().into(),
            terms: self.terms.clone(),
            handlers: Handlers::of(&self.version.manifest, &self.terms.handlers, self.environment),
            tools: crate::tools::declared(&self.version.manifest),
            application,
            pool,
            calls: TaskTracker::new(),
        }
    }
}

/// The deployments that there are, and those that are chosen for an entry.
struct Deck<'a> {
    service: &'a FunctionsService,
    row: &'a FunctionRow,
    environment: Option<&'a Environment>,
    warmth: Warmth,
    known: Vec<Arc<Deployment>>,
    chosen: Vec<Arc<Deployment>>,
    fresh: Vec<Arc<Deployment>>,
}

impl Deck<'_> {
    async fn deal(&mut self, routing: &Routing) -> Result<Entry, FunctionsError> {
        let mut live = Vec::with_capacity(routing.live.len());
        for (version, weight) in &routing.live {
            self.check_only(version)?;
            live.push((self.take(version, true).await?, *weight));
        }
        let mut aliases = BTreeMap::new();
        for (name, version) in &routing.aliases {
            aliases.insert(name.as_str().into(), self.take(version, false).await?);
        }
        Ok(Entry { access: self.row.access, live: Live::of(live), aliases })
    }

    /// A project has one application: its host and its paths would mean two otherwise.
    fn check_only(&self, version: &VersionRow) -> Result<(), FunctionsError> {
        if version.manifest.application.is_none() {
            return Ok(());
        }
        match self.service.executor.registry.application(&self.row.project) {
            Some(name) if *name != *self.row.name => {
                Err(FunctionsError::ApplicationExists { name: name.into() })
            }
            _ => Ok(()),
        }
    }

    async fn take(&mut self, version: &VersionRow, is_live: bool) -> Result<Arc<Deployment>, FunctionsError> {
        let of_version = |deployment: &&Arc<Deployment>| *deployment.version_id == *version.id;
        // An alias of a version that is live has the live one's workers.
        if let Some(chosen) = self.chosen.iter().find(of_version) {
            return Ok(chosen.clone());
        }
        let terms = self.service.terms((self.row, version), is_live, self.environment)?;
        let same = |deployment: &&Arc<Deployment>| {
            of_version(deployment) && deployment.pool.is_some() && deployment.terms == terms
        };
        let deployment = match self.known.iter().find(same) {
            Some(known) => known.clone(),
            None => {
                self.start(&Order { row: self.row, version, terms, environment: self.environment }, is_live)
                    .await?
            }
        };
        self.chosen.push(deployment.clone());
        Ok(deployment)
    }

    async fn start(&mut self, order: &Order<'_>, is_live: bool) -> Result<Arc<Deployment>, FunctionsError> {
        let had_workers = self.known.iter().any(|known| {
            *known.version_id == *order.version.id && known.pool.as_ref().is_some_and(Pool::is_warm)
        });
        let is_warm = match self.warmth {
            Warmth::Live => is_live || had_workers,
            Warmth::Busy => had_workers,
            Warmth::Cold => false,
        };
        let deployment =
            if is_warm { self.service.load(order).await? } else { self.service.register_version(order) };
        let deployment = Arc::new(deployment);
        self.fresh.push(deployment.clone());
        Ok(deployment)
    }
}
