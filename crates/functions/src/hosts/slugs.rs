//! Which project a slug means. The service that owns projects knows; asked for the projects that have functions,
//! and not more often than the limits below.

use crate::registry::Registry;
use bytes::Bytes;
use ports::access::{Caller, Grant};
use ports::project_api::ProjectApi;
use serde_json::Value;
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A slug may mean another project after so long.
const FRESH: Duration = Duration::from_secs(60);
/// A slug that nobody knows is not asked for again before.
const PAUSE: Duration = Duration::from_secs(5);
/// A project's own record, as its functions see it.
const PATH: &str = "/v1/project";

#[derive(Default)]
struct Known {
    slugs: HashMap<String, ProjectId>,
    asked_at: Option<Instant>,
}

/// The slugs.
#[derive(Default)]
pub(super) struct Slugs {
    api: OnceLock<Arc<dyn ProjectApi>>,
    known: Mutex<Known>,
}

impl Slugs {
    pub(super) fn bind(&self, api: Arc<dyn ProjectApi>) {
        self.api.get_or_init(|| api);
    }

    pub(super) async fn find(&self, slug: &str, registry: &Registry) -> Option<ProjectId> {
        let mut known = self.known.lock().await;
        let age = known.asked_at.map(|at| at.elapsed());
        let wait = if known.slugs.contains_key(slug) { FRESH } else { PAUSE };
        if age.is_none_or(|age| age >= wait) {
            known.slugs = self.ask(registry.projects()).await;
            known.asked_at = Some(Instant::now());
        }
        known.slugs.get(slug).cloned()
    }

    async fn ask(&self, projects: Vec<ProjectId>) -> HashMap<String, ProjectId> {
        let Some(api) = self.api.get() else { return HashMap::new() };
        let mut slugs = HashMap::with_capacity(projects.len());
        for project in projects {
            if let Some(slug) = slug_of(&**api, &project).await {
                slugs.insert(slug, project);
            }
        }
        slugs
    }
}

async fn slug_of(api: &dyn ProjectApi, project: &ProjectId) -> Option<String> {
    let grant = Grant { caller: Caller::Function, project: Some(project.clone()), end_user: None };
    let request = http::Request::get(PATH).body(Bytes::new()).ok()?;
    let answer: Value = serde_json::from_slice(api.call(grant, request).await.body()).ok()?;
    Some(answer.get("project")?.get("slug")?.as_str()?.to_ascii_lowercase())
}
