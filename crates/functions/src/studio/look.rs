//! What Studio shows.

use super::{Answer, Subject, page, view, whole};
use crate::error::FunctionsError;
use crate::triggers::{DeadJobView, JobView, QueueView, ScheduleView, Triggers};
use jobs::{DeadFilter, JobFilter, JobState, JobsError, QueueName, ScheduleName};
use run_log::{Level, LogQuery, Order, RunDetail, RunQuery, RunStatus, StoredRun, TraceId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service_kit::clock::parse_ms;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::JobId;
use std::sync::Arc;

/// Lines that come with one run.
const LINES_MAX: usize = 500;

#[derive(Deserialize)]
pub(super) struct Paged {
    cursor: Option<String>,
    limit: usize,
}

#[derive(Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Deserialize)]
pub(super) struct Identified {
    pub(super) id: String,
}

#[derive(Deserialize)]
pub(super) struct RunsWanted {
    #[serde(flatten)]
    paged: Paged,
    since: Option<String>,
    until: Option<String>,
    status: Option<String>,
    action: Option<String>,
    trigger: Option<String>,
    trace_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct JobsWanted {
    #[serde(flatten)]
    paged: Paged,
    queue: Option<String>,
    state: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct LinesWanted {
    level: Option<String>,
    text: Option<String>,
    run_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct LogsWanted {
    #[serde(flatten)]
    paged: Paged,
    since: Option<String>,
    until: Option<String>,
    #[serde(flatten)]
    lines: LinesWanted,
}

impl Paged {
    fn before(&self) -> Result<Option<i64>, ApiError> {
        let cursor = self.cursor.as_deref().map(str::parse).transpose();
        cursor.map_err(|_| invalid("`cursor` is `meta.cursor` of the page before"))
    }
}

impl LinesWanted {
    pub(super) fn query(self) -> LogQuery {
        LogQuery {
            level: self.level.as_deref().and_then(Level::parse),
            text: self.text,
            invocation_id: self.run_id,
            ..LogQuery::default()
        }
    }
}

impl RunsWanted {
    fn query(self) -> Result<RunQuery, ApiError> {
        let (status, has_error) = match self.status.as_deref() {
            Some("success") => (Some(RunStatus::Ok), Some(false)),
            Some("error") => (None, Some(true)),
            Some(_) => (Some(RunStatus::Cancelled), None),
            None => (None, None),
        };
        let trigger = self.trigger.as_deref().map(|name| {
            view::trigger_named(name).ok_or_else(|| invalid(format!("there is no trigger {name}")))
        });
        let trace_id = self.trace_id.as_deref().map(|id| {
            TraceId::parse(id).ok_or_else(|| invalid("a trace's id has 32 lower-case hexadecimal digits"))
        });
        Ok(RunQuery {
            before: self.paged.before()?,
            limit: self.paged.limit,
            status,
            has_error,
            handler: self.action,
            trigger: trigger.transpose()?,
            trace_id: trace_id.transpose()?,
            since_ms: moment("since", self.since.as_deref())?,
            until_ms: moment("until", self.until.as_deref())?,
            ..RunQuery::default()
        })
    }
}

impl Subject {
    pub(super) fn actions(self, Paged { cursor, limit }: Paged) -> Result<Answer, ApiError> {
        let mut all: Vec<&Value> = self.asked.application.actions().iter().collect();
        all.sort_unstable_by_key(|action| name_of(action));
        let total = all.len();
        let after = cursor.unwrap_or_default();
        let mut rest = all.into_iter().filter(|action| name_of(action) > after.as_str()).peekable();
        let data: Vec<Value> = rest.by_ref().take(limit).map(view::action).collect();
        let cursor = data.last().filter(|_| rest.peek().is_some()).map(|last| last["name"].clone());
        Ok(Answer::Data(json!({ "data": data, "meta": { "cursor": cursor, "total": total } })))
    }

    pub(super) fn action(self, Named { name }: Named) -> Result<Answer, ApiError> {
        let found = self.asked.application.actions().iter().find(|action| name_of(action) == name);
        found.map(|action| whole(view::action(action))).ok_or_else(|| no_action(&name))
    }

    /// A run as it is listed.
    pub(super) fn run_view(&self, run: &StoredRun) -> Value {
        view::run(run, self.module(run))
    }

    fn module(&self, run: &StoredRun) -> Option<&str> {
        let is_it = |action: &&Value| Some(name_of(action)) == run.handler.as_deref();
        self.asked.application.actions().iter().find(is_it)?["action"]["module"].as_str()
    }

    pub(super) async fn runs(self, wanted: RunsWanted) -> Result<Answer, ApiError> {
        let query = RunQuery { function: Some(self.function.clone()), ..wanted.query()? };
        let found = self.service.logs.runs(&self.project, query).await.map_err(told)?;
        let cursor = found.next.filter(|_| found.more).map(|cursor| cursor.to_string());
        Ok(page(found.runs.iter().map(|run| self.run_view(run)).collect(), cursor.as_deref()))
    }

    pub(super) async fn stored_run(&self, id: &str) -> Result<RunDetail, ApiError> {
        let found = self.service.logs.run(&self.project, id, LINES_MAX).await.map_err(told)?;
        let missing =
            || ApiError::new(ErrorCode::NotFound, "there is no such run, or it is not kept any more");
        found.filter(|found| found.run.function == self.function.as_str()).ok_or_else(missing)
    }

    pub(super) async fn run(self, Identified { id }: Identified) -> Result<Answer, ApiError> {
        let found = self.stored_run(&id).await?;
        Ok(whole(view::whole_run(&found, self.module(&found.run))))
    }

    pub(super) fn triggers(&self) -> Result<&Arc<Triggers>, ApiError> {
        let off = || ApiError::new(ErrorCode::Unavailable, "queues and schedules are still starting");
        self.service.triggers.get().ok_or_else(off)
    }

    /// Queues of the project's other functions are none of this application's.
    pub(super) fn has_queue(&self, triggers: &Triggers, queue: &QueueName) -> bool {
        let consumer = triggers.consumer(&self.project, queue.as_str());
        consumer.is_none_or(|consumer| *consumer == *self.name)
    }

    pub(super) async fn queues(self) -> Result<Answer, ApiError> {
        let triggers = self.triggers()?;
        let stats = triggers.jobs.stats(&self.project).await?;
        let own = stats.into_iter().filter(|(queue, _)| self.has_queue(triggers, queue));
        let views = own.map(|(queue, stats)| {
            QueueView::of(&queue, &stats, triggers.consumer(&self.project, queue.as_str()))
        });
        Ok(page(values(views)?, None))
    }

    pub(super) async fn jobs(self, wanted: JobsWanted) -> Result<Answer, ApiError> {
        let triggers = self.triggers()?;
        let queue = wanted.queue.as_deref().map(QueueName::parse).transpose()?;
        let before = wanted.paged.cursor.as_deref().map(JobId::parse).transpose();
        let before = before.map_err(|_| invalid("`cursor` is `meta.cursor` of the page before"))?;
        let limit = wanted.paged.limit;
        if wanted.state.as_deref() == Some("dead") {
            let found = triggers.jobs.dead_jobs(&self.project, DeadFilter { queue, before, limit }).await?;
            let cursor = found.last().filter(|_| found.len() == limit).map(|job| job.id.to_string());
            let own = found.into_iter().filter(|job| self.has_queue(triggers, &job.spec.queue));
            return Ok(page(values(own.map(DeadJobView::without_payload))?, cursor.as_deref()));
        }
        let state = wanted.state.map(|state| serde_json::from_value::<JobState>(state.into())).transpose();
        let state = state.map_err(|error| invalid(error.to_string()))?;
        let found = triggers.jobs.jobs(&self.project, JobFilter { queue, state, before, limit }).await?;
        let cursor = found.last().filter(|_| found.len() == limit).map(|job| job.id.to_string());
        let own = found.into_iter().filter(|job| self.has_queue(triggers, &job.spec.queue));
        Ok(page(values(own.map(JobView::without_payload))?, cursor.as_deref()))
    }

    pub(super) async fn schedules(self, wanted: Paged) -> Result<Answer, ApiError> {
        let triggers = self.triggers()?;
        let after = wanted.cursor.as_deref().map(ScheduleName::parse).transpose()?;
        let found = triggers.jobs.schedules(&self.project, after.as_ref(), wanted.limit).await?;
        let last = found.last().filter(|_| found.len() == wanted.limit);
        let cursor = last.map(|schedule| schedule.saved.name.to_string());
        let views = found.into_iter().map(ScheduleView::from);
        Ok(page(values(views.filter(|schedule| *schedule.function == *self.name))?, cursor.as_deref()))
    }

    pub(super) async fn logs(self, wanted: LogsWanted) -> Result<Answer, ApiError> {
        let query = LogQuery {
            before: wanted.paged.before()?,
            limit: wanted.paged.limit,
            since_ms: moment("since", wanted.since.as_deref())?,
            until_ms: moment("until", wanted.until.as_deref())?,
            order: Order::NewestFirst,
            ..wanted.lines.query()
        };
        let found = self.service.logs.query(&self.project, &self.function, query).await.map_err(told)?;
        let cursor = found.next.filter(|_| found.more).map(|cursor| cursor.to_string());
        Ok(page(found.lines.iter().map(view::line).collect(), cursor.as_deref()))
    }

    pub(super) async fn health(self) -> Result<Answer, ApiError> {
        let activity = self.service.activity(&self.project, &self.name);
        let (workers, in_flight, queued) =
            activity.values().fold((0, 0, 0), |(workers, calls, queued), of| {
                (workers + of.workers, calls + of.in_flight, queued + of.queued)
            });
        let losses = self.service.logs.losses(&self.project, Some(&self.function));
        let mut waiting = (0, 0);
        if let Ok(triggers) = self.triggers() {
            let stats = triggers.jobs.stats(&self.project).await?;
            for (_, of) in stats.into_iter().filter(|(queue, _)| self.has_queue(triggers, queue)) {
                waiting = (waiting.0 + of.ready + of.held, waiting.1 + of.dead);
            }
        }
        Ok(whole(json!({
            "status": "ok",
            "application": &*self.name,
            "version": &*self.version,
            "workers": { "count": workers, "in_flight": in_flight, "queued": queued },
            "queue": { "waiting": waiting.0, "dead": waiting.1 },
            "not_kept": losses,
        })))
    }
}

/// The name of an action of a manifest.
pub(super) fn name_of(action: &Value) -> &str {
    action["name"].as_str().unwrap_or_default()
}

pub(super) fn no_action(name: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("the application has no action \"{name}\""))
}

fn values<T: Serialize>(views: impl Iterator<Item = T>) -> Result<Vec<Value>, ApiError> {
    views.map(serde_json::to_value).collect::<Result<_, _>>().map_err(|error| ApiError::internal(&error))
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    let rule = || invalid(format!("`{name}` has to be RFC 3339, or milliseconds since 1970"));
    text.map(|text| parse_ms(text).ok_or_else(rule)).transpose()
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidInput, message)
}

pub(super) fn told(error: run_log::RunLogError) -> ApiError {
    FunctionsError::from(error).into_api()
}

/// A job that is this application's.
pub(super) fn job_id(id: &str) -> Result<JobId, JobsError> {
    JobId::parse(id).map_err(|_| JobsError::JobNotFound)
}
