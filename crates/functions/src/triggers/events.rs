//! Events and changes of documents as triggers: one task for each trigger of a live version. A durable topic is
//! read by its log, with a cursor that moves in the transaction that enqueues the jobs; others as they come.
//! Changes of documents are events of the topic `db.<collection>`, which the trigger makes durable.

mod follow;
mod log;
mod message;
mod spec;
mod topics;

use follow::Follower;
use jobs::Jobs;
use ports::events::EventBus;
use ports::project_api::ProjectApi;
use service_kit::ids::ProjectId;
use spec::Spec;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use topics::Topics;

use super::plan::Plan;

/// What following events needs.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) jobs: Arc<Jobs>,
    pub(super) bus: Arc<dyn EventBus>,
    topics: Topics,
    /// Bytes of a job's payload.
    pub(super) bytes_max: usize,
}

impl Reach {
    pub(super) fn new(
        jobs: Arc<Jobs>,
        bus: Arc<dyn EventBus>,
        (api, bytes_max): (Arc<dyn ProjectApi>, usize),
    ) -> Self {
        Self { jobs, bus, topics: Topics(api), bytes_max }
    }
}

/// Triggers that begin to be followed.
#[derive(Default)]
pub(super) struct Begun(Vec<CancellationToken>);

impl Begun {
    /// Waits until all of them are.
    pub(super) async fn followed(&self) {
        futures_util::future::join_all(self.0.iter().map(CancellationToken::cancelled)).await;
    }
}

/// The triggers that are followed.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<HashMap<ProjectId, HashMap<String, Running>>>);

/// One trigger; while this lives, its task runs.
struct Running {
    spec: Spec,
    ready: CancellationToken,
    task: AbortHandle,
    follower: Arc<Follower>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscriptions {
    /// Follows what the plans of a project declare, and nothing else of it.
    pub(super) async fn reconcile(&self, reach: &Reach, project: &ProjectId, plans: &[Arc<Plan>]) -> Begun {
        let wanted = spec::all(project, plans);
        let (removed, fresh) = self.exchange(reach, project, wanted);
        for running in removed {
            running.task.abort();
            running.follower.forget().await;
        }
        Begun(fresh)
    }

    /// Those that are not wanted any more, and how the new ones tell that they follow.
    fn exchange(
        &self,
        reach: &Reach,
        project: &ProjectId,
        wanted: Vec<Spec>,
    ) -> (Vec<Running>, Vec<CancellationToken>) {
        let mut projects = self.lock();
        let mut before = projects.remove(project).unwrap_or_default();
        let (mut now, mut fresh) = (HashMap::new(), Vec::new());
        for spec in wanted {
            let running = match before.remove(&spec.subscriber) {
                Some(same) if same.spec == spec => same,
                _ => {
                    let Some(begun) = begin(reach, spec) else { continue };
                    fresh.push(begun.ready.clone());
                    begun
                }
            };
            now.insert(running.spec.subscriber.clone(), running);
        }
        if !now.is_empty() {
            projects.insert(project.clone(), now);
        }
        (before.into_values().collect(), fresh)
    }

    /// Follows nothing of a project any more; its cursors are removed with it.
    pub(super) fn remove_project(&self, project: &ProjectId) {
        self.lock().remove(project);
    }

    /// Follows nothing any more.
    pub(super) fn end(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProjectId, HashMap<String, Running>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn begin(reach: &Reach, spec: Spec) -> Option<Running> {
    let ready = CancellationToken::new();
    let follower = match Follower::new(reach.clone(), spec.clone(), ready.clone()) {
        Ok(follower) => Arc::new(follower),
        Err(error) => {
            tracing::warn!(%error, project = %spec.project, function = %spec.function, "a trigger is not followed");
            return None;
        }
    };
    let task = tokio::spawn(follower.clone().run()).abort_handle();
    Some(Running { spec, ready, task, follower })
}
