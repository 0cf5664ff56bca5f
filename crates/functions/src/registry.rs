//! The route table: project and name to what takes the calls, in memory. Every call reads it; a switch replaces
//! one entry, and the versions that are in none of it any more end after the last call that had found them.

mod live;

pub(crate) use live::Live;

use crate::application::{Application, Page};
use crate::error::FunctionsError;
use crate::handlers::{Chosen, HandlerTerms, Handlers};
use crate::runtime::Pool;
use crate::settings::{AccessSetting, FunctionSettings};
use crate::tools::DeclaredTool;
use http::Method;
use quickjs_lane::Capabilities;
use service_kit::ids::{FunctionId, IdMap, ProjectId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The alias that means what the function serves.
pub(crate) const LIVE: &str = "live";

/// Whose lines and calls come from a worker.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) project: ProjectId,
    pub(crate) function: FunctionId,
    /// The version's name as its developer knows it.
    pub(crate) version: Arc<str>,
}

/// Under which terms the workers or instances of a version were started; under other terms they are others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) settings: FunctionSettings,
    /// Hosts that the version may connect to; all where there is no list.
    pub(crate) allowed_hosts: Option<Arc<[String]>>,
    /// What it may do in the runtime quickjs; `None` in the runtime bun.
    pub(crate) capabilities: Option<Capabilities>,
    /// Stands for the variables.
    pub(crate) environment: Arc<str>,
    /// By their places.
    pub(crate) handlers: Arc<[HandlerTerms]>,
}

/// A version with its workers or instances.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) owner: Arc<Owner>,
    /// Names this load of the version towards what runs it.
    pub(crate) key: Arc<str>,
    pub(crate) version_id: Box<str>,
    pub(crate) terms: Terms,
    /// What calls of it enter.
    pub(crate) handlers: Handlers,
    /// What it offers to clients of the Model Context Protocol.
    pub(crate) tools: Arc<[DeclaredTool]>,
    /// What stands around its handlers, where it is an application of actions.
    pub(crate) application: Option<Arc<Application>>,
    /// `None` while the variables cannot be opened.
    pub(crate) pool: Option<Pool>,
    /// Calls that found this deployment and have no answer yet.
    pub(crate) calls: TaskTracker,
}

/// What a call finds.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) access: AccessSetting,
    pub(crate) owner: Arc<Owner>,
    pub(crate) pool: Pool,
    pub(crate) handler: Chosen,
    /// What the application shows, in place of a handler.
    pub(crate) page: Option<Page>,
    /// What stands around the handler, where it is an action.
    pub(crate) application: Option<Arc<Application>>,
    /// While this lives, the deployment is not retired.
    pub(crate) call: TaskTrackerToken,
}

/// In place of a function's name: the application of the project.
pub(crate) const APPLICATION: &str = "";

/// What a call from outside asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// A name, or `APPLICATION`.
    pub(crate) name: &'a str,
    pub(crate) alias: Option<&'a str>,
    pub(crate) method: &'a Method,
    /// The function's own part of the path.
    pub(crate) path: &'a str,
}

/// A call that finds nothing to run it.
#[derive(Debug)]
pub(crate) struct Closed {
    /// Who may call the function, where there is one: only they are told `why`.
    pub(crate) access: Option<AccessSetting>,
    pub(crate) why: FunctionsError,
}

/// The tools of a function.
#[derive(Debug)]
pub(crate) struct FunctionTools {
    pub(crate) function: Box<str>,
    pub(crate) access: AccessSetting,
    pub(crate) is_application: bool,
    pub(crate) tools: Arc<[DeclaredTool]>,
}

/// One function.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) access: AccessSetting,
    pub(crate) live: Live,
    pub(crate) aliases: BTreeMap<Box<str>, Arc<Deployment>>,
}

impl Entry {
    fn choose(&self, alias: Option<&str>) -> Result<&Arc<Deployment>, FunctionsError> {
        match alias {
            None | Some(LIVE) => self.live.choose().ok_or(FunctionsError::NotDeployed),
            Some(alias) => self.aliases.get(alias).ok_or(FunctionsError::VersionNotFound),
        }
    }

    fn enter(&self, wanted: &Wanted<'_>) -> Result<Entered, FunctionsError> {
        let deployment = self.choose(wanted.alias)?;
        let application = deployment.application.as_ref();
        if let Some(page) = application.and_then(|known| known.page(wanted.method, wanted.path)) {
            return Ok(Entered { page: Some(page), ..self.hold(deployment, Chosen::default())? });
        }
        self.hold(deployment, deployment.handlers.of_request(wanted.method, wanted.path)?)
    }

    fn hold(&self, deployment: &Deployment, handler: Chosen) -> Result<Entered, FunctionsError> {
        let pool = deployment.pool.clone().ok_or(FunctionsError::EnvironmentClosed)?;
        let (owner, application) = (deployment.owner.clone(), deployment.application.clone());
        let call = deployment.calls.token();
        Ok(Entered { access: self.access, owner, pool, handler, page: None, application, call })
    }

    /// Whether what takes the function's own calls is an application of actions.
    fn is_application(&self) -> bool {
        self.live.deployments().any(|deployment| deployment.application.is_some())
    }

    /// Each deployment once.
    pub(crate) fn deployments(&self) -> Vec<Arc<Deployment>> {
        let mut found: Vec<Arc<Deployment>> = self.live.deployments().cloned().collect();
        for deployment in self.aliases.values() {
            if !found.iter().any(|known| Arc::ptr_eq(known, deployment)) {
                found.push(deployment.clone());
            }
        }
        found
    }
}

/// The functions of a project.
#[derive(Debug, Default)]
struct Functions {
    by_name: IdMap<Box<str>, Entry>,
    /// The one that is an application of actions.
    application: Option<Box<str>>,
}

impl Functions {
    /// By a name, or by `APPLICATION`.
    fn get(&self, name: &str) -> Option<&Entry> {
        let name = if name == APPLICATION { self.application.as_deref()? } else { name };
        self.by_name.get(name)
    }
}

type Table = IdMap<ProjectId, Functions>;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    table: RwLock<Table>,
    owners: RwLock<HashMap<Arc<str>, Owner>>,
}

impl Registry {
    /// Finds a function and holds one of its versions for a call.
    pub(crate) fn enter(&self, project: &ProjectId, wanted: &Wanted<'_>) -> Result<Entered, Closed> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let entry = table
            .get(project)
            .and_then(|functions| functions.get(wanted.name))
            .ok_or(Closed { access: None, why: FunctionsError::NotFound })?;
        entry.enter(wanted).map_err(|why| Closed { access: Some(entry.access), why })
    }

    /// Finds a handler of a function for one of its triggers, and holds its live version.
    pub(crate) fn enter_inside(
        &self,
        project: &ProjectId,
        (name, handler): (&str, &str),
    ) -> Result<Entered, FunctionsError> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let entry = table.get(project).and_then(|functions| functions.get(name));
        let entry = entry.ok_or(FunctionsError::NotFound)?;
        let deployment = entry.choose(None)?;
        let handler = deployment.handlers.named(handler).ok_or(FunctionsError::NoHandler)?;
        entry.hold(deployment, handler)
    }

    /// Whether the project has such a function.
    pub(crate) fn has(&self, project: &ProjectId, name: &str) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.get(project).is_some_and(|functions| functions.get(name).is_some())
    }

    /// The deployments of a function.
    pub(crate) fn deployments(&self, project: &ProjectId, name: &str) -> Vec<Arc<Deployment>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let entry = table.get(project).and_then(|functions| functions.get(name));
        entry.map(Entry::deployments).unwrap_or_default()
    }

    /// The deployments of all functions of a project.
    pub(crate) fn deployments_of_project(&self, project: &ProjectId) -> Vec<Arc<Deployment>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let entries = table.get(project).into_iter().flat_map(|functions| functions.by_name.values());
        entries.flat_map(Entry::deployments).collect()
    }

    /// The tools of a project's functions; of versions that share the calls of one, those of the first.
    pub(crate) fn tools(&self, project: &ProjectId) -> Vec<FunctionTools> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let entries = table.get(project).into_iter().flat_map(|functions| &functions.by_name);
        let tools = entries.filter_map(|(name, entry)| {
            let deployment = entry.live.deployments().next()?;
            Some(FunctionTools {
                function: name.clone(),
                access: entry.access,
                is_application: deployment.application.is_some(),
                tools: deployment.tools.clone(),
            })
        });
        tools.collect()
    }

    /// Puts `entry` in place of what was there; the deployments that are not in it any more are handed back,
    /// to be retired.
    pub(crate) fn switch(&self, project: &ProjectId, name: &str, entry: Entry) -> Vec<Arc<Deployment>> {
        let kept = entry.deployments();
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let functions = table.entry(project.clone()).or_default();
        if entry.is_application() {
            functions.application = Some(name.into());
        } else if functions.application.as_deref() == Some(name) {
            functions.application = None;
        }
        let before = functions.by_name.insert(name.into(), entry);
        let mut before = before.map(|entry| entry.deployments()).unwrap_or_default();
        before.retain(|deployment| !kept.iter().any(|other| Arc::ptr_eq(other, deployment)));
        before
    }

    /// Takes a function out.
    pub(crate) fn remove(&self, project: &ProjectId, name: &str) -> Vec<Arc<Deployment>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let Some(functions) = table.get_mut(project) else { return Vec::new() };
        functions.application.take_if(|application| **application == *name);
        functions.by_name.remove(name).map(|entry| entry.deployments()).unwrap_or_default()
    }

    /// Takes all functions of a project out.
    pub(crate) fn remove_project(&self, project: &ProjectId) -> Vec<Arc<Deployment>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let functions = table.remove(project).unwrap_or_default();
        functions.by_name.into_values().flat_map(|entry| entry.deployments()).collect()
    }

    /// The name of the project's application.
    pub(crate) fn application(&self, project: &ProjectId) -> Option<Box<str>> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.get(project)?.application.clone()
    }

    /// What stands around the actions of the project's application, and what runs them.
    pub(crate) fn stages(&self, project: &ProjectId) -> Option<(Arc<Application>, Pool)> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let deployment = table.get(project)?.get(APPLICATION)?.live.choose()?;
        Some((deployment.application.clone()?, deployment.pool.clone()?))
    }

    /// Whether the project's application has something at a path, for any method.
    pub(crate) fn application_has(&self, project: &ProjectId, path: &str) -> bool {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let entry = table.get(project).and_then(|functions| functions.get(APPLICATION));
        let deployment = entry.and_then(|entry| entry.live.choose());
        deployment.is_some_and(|deployment| {
            let has_page = |known: &Arc<Application>| known.page(&Method::GET, path).is_some();
            deployment.handlers.has_path(path) || deployment.application.as_ref().is_some_and(has_page)
        })
    }

    /// The projects that have functions.
    pub(crate) fn projects(&self) -> Vec<ProjectId> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Takes everything out.
    pub(crate) fn clear(&self) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Remembers whose workers carry `key`, before the first of them starts.
    pub(crate) fn own(&self, key: Arc<str>, owner: Owner) {
        self.owners.write().unwrap_or_else(PoisonError::into_inner).insert(key, owner);
    }

    /// Whose worker carries `key`.
    pub(crate) fn owner(&self, key: &str) -> Option<Owner> {
        self.owners.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Forgets a key: lines that come later have no owner any more.
    pub(crate) fn disown(&self, key: &str) {
        self.owners.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
