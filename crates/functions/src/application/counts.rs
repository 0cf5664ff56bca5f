//! Rate limits of applications, counted in the key-value store where that runs in a process of its own: several servers
//! may reach it then. Where it runs in this one, nobody else counts there, and memory is nearer.

use actions::{CountsAway, SharedCounts};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request};
use ports::access::{Caller, Grant};
use ports::project_api::ProjectApi;
use serde_json::{Value, json};
use service_kit::ids::ProjectId;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// In whose name a server counts that runs one application: another server of the same application gave its own project
/// another id. Callers are named with the application's secret, so that those of two applications are not the same.
const ONE_APPLICATION: &str = "prj_00000000000000000000000000000000";

/// The store, once it is known that there is one to share.
#[derive(Default)]
pub(crate) struct Counts {
    api: OnceLock<Arc<dyn ProjectApi>>,
}

impl Counts {
    /// Counts there from now on; a second call changes nothing.
    pub(crate) fn bind(&self, api: Arc<dyn ProjectApi>) {
        self.api.get_or_init(|| api);
    }

    /// Those of a project; `None` where each server counts for itself.
    pub(super) fn of(&self, project: &ProjectId, is_alone: bool) -> Option<Arc<dyn SharedCounts>> {
        let api = self.api.get()?.clone();
        let project = ProjectId::parse(ONE_APPLICATION).ok().filter(|_| is_alone).unwrap_or(project.clone());
        Some(Arc::new(ProjectCounts { api, project }))
    }
}

struct ProjectCounts {
    api: Arc<dyn ProjectApi>,
    project: ProjectId,
}

impl ProjectCounts {
    /// The JSON that the store answers; `None` where there is no such key.
    async fn ask(&self, method: Method, path: String, body: Bytes) -> Result<Option<Value>, CountsAway> {
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(body).map_err(|_| CountsAway)?;
        let grant = Grant { caller: Caller::Function, project: Some(self.project.clone()), end_user: None };
        let answer = self.api.call(grant, request).await;
        match answer.status().as_u16() {
            200 => serde_json::from_slice(answer.body()).map(Some).map_err(|_| CountsAway),
            404 => Ok(None),
            status => {
                tracing::debug!(status, "the key-value store did not count");
                Err(CountsAway)
            }
        }
    }
}

#[async_trait]
impl SharedCounts for ProjectCounts {
    async fn add(&self, name: &str, by: i64, ttl: Duration) -> Result<i64, CountsAway> {
        // In whole seconds, and never too short.
        let body = json!({ "by": by, "ttl": ttl.as_secs() + 1 });
        let sum = self.ask(Method::POST, format!("/v1/kv/incr/{name}"), body.to_string().into()).await?;
        sum.and_then(|sum| sum["value"].as_i64()).ok_or(CountsAway)
    }

    async fn get(&self, name: &str) -> Result<i64, CountsAway> {
        let count = self.ask(Method::GET, format!("/v1/kv/kv/{name}"), Bytes::new()).await?;
        count.map_or(Ok(0), |count| count.as_i64().ok_or(CountsAway))
    }
}
