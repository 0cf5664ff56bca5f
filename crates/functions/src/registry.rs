//! The route table: project and name to the active version, in memory. Every call reads it; a switch
//! replaces one entry, and the version that it replaces ends after the last call that had found it.

use crate::settings::AccessSetting;
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use worker_pool::VersionPool;

/// Whose lines and calls come from a worker.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) project: ProjectId,
    pub(crate) function: FunctionId,
    /// The version's name as its developer knows it.
    pub(crate) version: Arc<str>,
}

/// A version with its workers.
#[derive(Debug)]
pub(crate) struct Deployment {
    /// Names this load of the version towards the pool.
    pub(crate) key: Arc<str>,
    pub(crate) pool: Arc<VersionPool>,
    /// Calls that found this deployment and have no answer yet.
    pub(crate) calls: TaskTracker,
}

/// What a call finds.
pub(crate) struct Entered {
    pub(crate) access: AccessSetting,
    pub(crate) pool: Arc<VersionPool>,
    /// While this lives, the deployment is not retired.
    pub(crate) call: TaskTrackerToken,
}

#[derive(Debug)]
struct Active {
    access: AccessSetting,
    deployment: Arc<Deployment>,
}

type Table = HashMap<ProjectId, HashMap<Box<str>, Active>>;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    table: RwLock<Table>,
    owners: RwLock<HashMap<Arc<str>, Owner>>,
}

impl Registry {
    /// Finds a function and holds its version for a call.
    pub(crate) fn enter(&self, project: &ProjectId, name: &str) -> Option<Entered> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let active = table.get(project)?.get(name)?;
        Some(Entered {
            access: active.access,
            pool: active.deployment.pool.clone(),
            call: active.deployment.calls.token(),
        })
    }

    /// Makes `deployment` the active one; the one before is handed back, to be retired.
    pub(crate) fn switch(
        &self,
        project: &ProjectId,
        name: &str,
        access: AccessSetting,
        deployment: Arc<Deployment>,
    ) -> Option<Arc<Deployment>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let functions = table.entry(project.clone()).or_default();
        functions.insert(name.into(), Active { access, deployment }).map(|before| before.deployment)
    }

    /// Changes who may call a function.
    pub(crate) fn set_access(&self, project: &ProjectId, name: &str, access: AccessSetting) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(active) = table.get_mut(project).and_then(|functions| functions.get_mut(name)) {
            active.access = access;
        }
    }

    /// Takes a function out.
    pub(crate) fn remove(&self, project: &ProjectId, name: &str) -> Option<Arc<Deployment>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        table.get_mut(project)?.remove(name).map(|active| active.deployment)
    }

    /// Takes all functions of a project out.
    pub(crate) fn remove_project(&self, project: &ProjectId) -> Vec<Arc<Deployment>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let functions = table.remove(project).unwrap_or_default();
        functions.into_values().map(|active| active.deployment).collect()
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
