//! Who writes: projects, their functions, and the versions of those. Each has a place in memory with what is
//! counted, how it is redacted, and the figures that are not written yet.

use crate::aggregate::Cells;
use crate::redact::Redactor;
use secrecy::SecretString;
use service_kit::clock::now_ms;
use service_kit::ids::{FunctionId, IdMap, ProjectId};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What was not kept since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Losses {
    /// Lines that found no room, or that the disk refused.
    pub lines_dropped: u64,
    /// Runs that found no room, or that the disk refused.
    pub runs_dropped: u64,
    /// Successful runs beyond those that are kept in each second.
    pub runs_sampled_out: u64,
}

impl Losses {
    fn plus(self, other: Self) -> Self {
        Self {
            lines_dropped: self.lines_dropped + other.lines_dropped,
            runs_dropped: self.runs_dropped + other.runs_dropped,
            runs_sampled_out: self.runs_sampled_out + other.runs_sampled_out,
        }
    }
}

/// A moment so much earlier than the newest one comes from a clock that was set back.
const SET_BACK_SECONDS: i64 = 10;

/// So many in each second. Counts in the second that the caller names, so that it asks no clock; what comes a
/// little late counts in the newest one.
#[derive(Debug, Default)]
pub(crate) struct PerSecond {
    second: AtomicI64,
    count: AtomicU32,
}

impl PerSecond {
    /// Whether one more is within `max`.
    pub(crate) fn take(&self, at_ms: i64, max: u32) -> bool {
        let second = at_ms.div_euclid(1_000);
        let before = self.second.load(Ordering::Relaxed);
        let is_new = (second > before || second < before - SET_BACK_SECONDS)
            && self.second.compare_exchange(before, second, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_new {
            self.count.store(0, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed) < max
    }
}

/// What is known of a project.
#[derive(Debug, Default)]
pub(crate) struct ProjectState {
    /// What of the buffer the project has.
    pub(crate) buffered_bytes: AtomicUsize,
    /// Its successful runs that are kept.
    pub(crate) runs: PerSecond,
    /// Its traces that begin here and are sampled.
    pub(crate) roots: PerSecond,
}

/// What is known of a function.
#[derive(Default)]
pub(crate) struct FunctionState {
    redactor: RwLock<Arc<Redactor>>,
    lines_dropped: AtomicU64,
    runs_dropped: AtomicU64,
    runs_sampled_out: AtomicU64,
}

impl FunctionState {
    pub(crate) fn redactor(&self) -> Arc<Redactor> {
        self.redactor.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn losses(&self) -> Losses {
        Losses {
            lines_dropped: self.lines_dropped.load(Ordering::Relaxed),
            runs_dropped: self.runs_dropped.load(Ordering::Relaxed),
            runs_sampled_out: self.runs_sampled_out.load(Ordering::Relaxed),
        }
    }
}

/// A version of a function.
pub(crate) struct Scope {
    pub(crate) project_id: ProjectId,
    pub(crate) function_id: FunctionId,
    pub(crate) version: Arc<str>,
    pub(crate) project: Arc<ProjectState>,
    pub(crate) function: Arc<FunctionState>,
    /// Which rows of figures are its own: rows of other processes, and of the same version before it was
    /// forgotten, have other numbers.
    pub(crate) part: i64,
    cells: Mutex<Cells>,
}

impl Scope {
    pub(crate) fn cells(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of it is lost.
    pub(crate) fn line_dropped(&self, at_ms: i64) {
        self.function.lines_dropped.fetch_add(1, Ordering::Relaxed);
        self.cells().at(at_ms).lines_dropped += 1;
    }

    /// A run of it is lost.
    pub(crate) fn run_dropped(&self, at_ms: i64) {
        self.function.runs_dropped.fetch_add(1, Ordering::Relaxed);
        self.cells().at(at_ms).runs_dropped += 1;
    }

    /// A run of it is counted only.
    pub(crate) fn run_sampled_out(&self, at_ms: i64) {
        self.function.runs_sampled_out.fetch_add(1, Ordering::Relaxed);
        self.cells().at(at_ms).runs_sampled_out += 1;
    }
}

#[derive(Default)]
struct FunctionEntry {
    state: Arc<FunctionState>,
    versions: IdMap<Arc<str>, Arc<Scope>>,
}

#[derive(Default)]
struct ProjectEntry {
    state: Arc<ProjectState>,
    functions: IdMap<FunctionId, FunctionEntry>,
}

/// Everybody who wrote lately.
pub(crate) struct Scopes {
    projects: RwLock<IdMap<ProjectId, ProjectEntry>>,
    next_part: AtomicI64,
}

impl Default for Scopes {
    fn default() -> Self {
        // A process that starts a millisecond later begins above a thousand versions of this one.
        Self { projects: RwLock::default(), next_part: AtomicI64::new(now_ms().saturating_mul(1_000)) }
    }
}

impl Scopes {
    fn read(&self) -> RwLockReadGuard<'_, IdMap<ProjectId, ProjectEntry>> {
        self.projects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, IdMap<ProjectId, ProjectEntry>> {
        self.projects.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, project: &ProjectId, function: &FunctionId, version: &str) -> Option<Arc<Scope>> {
        let projects = self.read();
        projects.get(project)?.functions.get(function)?.versions.get(version).cloned()
    }

    /// The place of a version, made where it is missing.
    pub(crate) fn scope(&self, project: &ProjectId, function: &FunctionId, version: &str) -> Arc<Scope> {
        if let Some(scope) = self.found(project, function, version) {
            return scope;
        }
        let mut projects = self.write();
        let project_entry = projects.entry(project.clone()).or_default();
        let entry = project_entry.functions.entry(function.clone()).or_default();
        let version: Arc<str> = version.into();
        let scope = entry.versions.entry(version.clone()).or_insert_with(|| {
            Arc::new(Scope {
                project_id: project.clone(),
                function_id: function.clone(),
                version,
                project: project_entry.state.clone(),
                function: entry.state.clone(),
                part: self.next_part.fetch_add(1, Ordering::Relaxed),
                cells: Mutex::default(),
            })
        });
        scope.clone()
    }

    /// A project, made where it is missing.
    pub(crate) fn project(&self, project: &ProjectId) -> Arc<ProjectState> {
        if let Some(entry) = self.read().get(project) {
            return entry.state.clone();
        }
        self.write().entry(project.clone()).or_default().state.clone()
    }

    /// Replaces the secrets of a function; those of before are looked for as well, until the next change.
    pub(crate) fn redact(&self, project: &ProjectId, function: &FunctionId, secrets: Vec<SecretString>) {
        let mut projects = self.write();
        let entry =
            projects.entry(project.clone()).or_default().functions.entry(function.clone()).or_default();
        let mut redactor = entry.state.redactor.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = redactor.next(secrets) {
            *redactor = Arc::new(next);
        }
    }

    /// Everybody.
    pub(crate) fn all(&self) -> Vec<Arc<Scope>> {
        let projects = self.read();
        let functions = projects.values().flat_map(|project| project.functions.values());
        functions.flat_map(|function| function.versions.values().cloned()).collect()
    }

    /// Those of a project.
    pub(crate) fn of_project(&self, project: &ProjectId) -> Vec<Arc<Scope>> {
        let projects = self.read();
        let functions = projects.get(project).into_iter().flat_map(|entry| entry.functions.values());
        functions.flat_map(|function| function.versions.values().cloned()).collect()
    }

    /// What was not kept of a function, or of a project.
    pub(crate) fn losses(&self, project: &ProjectId, function: Option<&FunctionId>) -> Losses {
        let projects = self.read();
        let Some(entry) = projects.get(project) else { return Losses::default() };
        let wanted = entry.functions.iter().filter(|(id, _)| function.is_none_or(|function| function == *id));
        wanted.map(|(_, entry)| entry.state.losses()).fold(Losses::default(), Losses::plus)
    }

    /// Forgets versions that nothing points to and whose figures nobody waits for, and what is left empty.
    pub(crate) fn forget_idle(&self) {
        let mut projects = self.write();
        for project in projects.values_mut() {
            for function in project.functions.values_mut() {
                function.versions.retain(|_, scope| Arc::strong_count(scope) > 1 || !scope.cells().is_idle());
            }
            project.functions.retain(|_, entry| {
                !entry.versions.is_empty()
                    || !entry.state.redactor().is_empty()
                    || entry.state.losses() != Losses::default()
            });
        }
        projects.retain(|_, project| !project.functions.is_empty());
    }

    pub(crate) fn remove_project(&self, project: &ProjectId) {
        self.write().remove(project);
    }

    pub(crate) fn remove_function(&self, project: &ProjectId, function: &FunctionId) {
        let mut projects = self.write();
        if let Some(entry) = projects.get_mut(project) {
            entry.functions.remove(function);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_room_for_so_many_and_the_next_one_again() {
        let window = PerSecond::default();
        let kept = |at_ms| (0..10).filter(|_| window.take(at_ms, 4)).count();
        assert_eq!((kept(5_000), kept(5_999), kept(6_000)), (4, 0, 4));
        assert_eq!((kept(5_999), kept(100_000), kept(5_000)), (0, 4, 4));
    }

    #[test]
    fn what_is_idle_is_forgotten_and_what_was_lost_is_not() {
        let (scopes, project) = (Scopes::default(), ProjectId::generate());
        let (idle, losing, secret) = (FunctionId::generate(), FunctionId::generate(), FunctionId::generate());
        drop(scopes.scope(&project, &idle, "v1"));
        scopes.scope(&project, &losing, "v1").function.lines_dropped.fetch_add(3, Ordering::Relaxed);
        scopes.redact(&project, &secret, vec!["a secret".into()]);
        scopes.forget_idle();
        assert_eq!(scopes.all().len(), 0);
        assert_eq!(scopes.losses(&project, None).lines_dropped, 3);
        assert!(!scopes.scope(&project, &secret, "v2").function.redactor().is_empty());
    }
}
