//! The routes of queues, jobs, dead letters and schedules. Each resource is declared once and mounted twice: for
//! secret keys, and for developers of a project named in the path.

mod dead;
mod jobs;
mod queues;
mod schedules;
mod types;

pub(crate) use types::{DeadJobView, JobView, QueueView, ScheduleView};

use super::Triggers;
use crate::service::FunctionsService;
use ::jobs::{JobsError, QueueName, ScheduleName};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequestParts, Path, Query};
use axum::handler::Handler;
use http::request::Parts;
use ports::access::{AccessError, Action, Grant};
use routes::{Need, Route, Routes};
use serde::Deserialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{JobId, ProjectId};
use std::collections::HashMap;
use std::sync::Arc;

type Service = Arc<FunctionsService>;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 1_000;

/// Adds the routes.
pub(crate) fn declare(routes: Routes<Service>) -> Routes<Service> {
    [queues::mount, jobs::mount, dead::mount, schedules::mount]
        .into_iter()
        .fold(Mounted(routes), |mounted, mount| mount(mounted))
        .0
}

/// A method, and its path with a key and with the project in it.
type Endpoint = (fn(&'static str, Need) -> Route, [&'static str; 2], Action);

struct Mounted(Routes<Service>);

impl Mounted {
    fn both<H, T>(
        self,
        (method, [with_key, in_project], action): Endpoint,
        describe: impl Fn(Route) -> Route,
        handler: H,
    ) -> Self
    where
        H: Handler<T, Service>,
        T: 'static,
    {
        let key = describe(method(with_key, Need::Key(action)));
        let project = describe(method(in_project, Need::Project(action)));
        Self(self.0.add(key, handler.clone()).add(project, handler))
    }
}

/// The triggers, in a project, with the names in the path.
struct Scope {
    triggers: Arc<Triggers>,
    project: ProjectId,
    names: HashMap<String, String>,
}

impl FromRequestParts<Service> for Scope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let project = parts.extensions.get::<Grant>().and_then(|grant| grant.project.clone());
        let project = project.ok_or(AccessError::ProjectNotFound)?;
        let off = || ApiError::new(ErrorCode::Unavailable, "queues and schedules are still starting");
        let triggers = service.triggers.get().ok_or_else(off)?.clone();
        let names = Path::<HashMap<String, String>>::from_request_parts(parts, service).await;
        let Path(names) = names.map_err(|rejected: PathRejection| invalid(rejected.body_text()))?;
        Ok(Self { triggers, project, names })
    }
}

impl Scope {
    fn name(&self, which: &str) -> &str {
        self.names.get(which).map_or("", String::as_str)
    }

    fn queue(&self) -> Result<QueueName, JobsError> {
        QueueName::parse(self.name("queue"))
    }

    fn schedule(&self) -> Result<ScheduleName, JobsError> {
        ScheduleName::parse(self.name("name"))
    }

    fn job(&self) -> Result<JobId, JobsError> {
        JobId::parse(self.name("job")).map_err(|_| JobsError::JobNotFound)
    }
}

/// One page of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PageParameters {
    limit: Option<usize>,
    cursor: Option<String>,
    state: Option<::jobs::JobState>,
}

/// A page as it was asked for.
struct Page(PageParameters);

impl FromRequestParts<Service> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let read = Query::<PageParameters>::from_request_parts(parts, service).await;
        let Query(read) = read.map_err(|rejected: QueryRejection| invalid(rejected.body_text()))?;
        if !(1..=LIMIT_MAX).contains(&read.limit.unwrap_or(LIMIT_DEFAULT)) {
            return Err(invalid(format!("`limit` is between 1 and {LIMIT_MAX}")));
        }
        Ok(Self(read))
    }
}

impl Page {
    fn limit(&self) -> usize {
        self.0.limit.unwrap_or(LIMIT_DEFAULT)
    }

    /// The cursor of a list of jobs: the last of the page before.
    fn before(&self) -> Result<Option<JobId>, ApiError> {
        let cursor = self.0.cursor.as_deref().map(JobId::parse).transpose();
        cursor.map_err(|_| invalid("`cursor` is `next_cursor` of the page before"))
    }
}

fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, text)
}

/// Where the next page begins, where there may be one.
fn next<T>(items: &[T], limit: usize, cursor: impl Fn(&T) -> String) -> Option<String> {
    items.last().filter(|_| items.len() == limit).map(cursor)
}
