//! `/v1/app/queue`: what an application asks of its jobs by their ids, whichever queue they are in. Enqueuing has its
//! route, which everybody has.

use crate::triggers::{DeadJobView, JobView, Triggers};
use bytes::Bytes;
use jobs::{DeadFilter, JobChange, JobFilter, JobState, JobsError, QueueName};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{JobId, ProjectId};

pub(super) const PATH: &str = "/v1/app/queue";
/// Jobs of one answer.
const LIMIT_MAX: usize = 1_000;
const LIMIT: usize = 50;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Wanted {
    /// A job or a dead letter; null where it is neither.
    Get { id: String },
    /// Without their payloads.
    List { queue: Option<String>, state: Option<String>, limit: Option<usize> },
    /// Whether there was one that waits.
    Update {
        id: String,
        priority: Option<i32>,
        /// Nothing where it stays; null is one, too.
        #[serde(default, deserialize_with = "given")]
        payload: Option<Value>,
    },
    /// Whether there was one.
    Delete { id: String },
}

fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(value).map(Some)
}

/// Answers one request.
pub(super) async fn answer(
    triggers: &Triggers,
    project: &ProjectId,
    body: &[u8],
) -> Result<http::Response<Bytes>, ApiError> {
    let jobs = &triggers.jobs;
    let answer = match serde_json::from_slice(body).map_err(|error| invalid(&error))? {
        Wanted::Get { id } => match JobId::parse(&id) {
            Ok(id) => get(triggers, project, &id).await?,
            Err(_) => Value::Null,
        },
        Wanted::List { queue, state, limit } => list(triggers, project, (queue, state, limit)).await?,
        Wanted::Update { id, priority, payload } => {
            let Ok(id) = JobId::parse(&id) else { return Ok(http::Response::new("false".into())) };
            let payload = payload.map(|json| Bytes::from(json.to_string()));
            json!(found(jobs.update(project, &id, JobChange { priority, payload }).await)?.is_some())
        }
        Wanted::Delete { id } => {
            let Ok(id) = JobId::parse(&id) else { return Ok(http::Response::new("false".into())) };
            let gone = match jobs.cancel(project, &id).await {
                Err(JobsError::JobNotFound) => jobs.discard(project, &id).await,
                other => other,
            };
            json!(found(gone)?.is_some())
        }
    };
    Ok(http::Response::new(answer.to_string().into()))
}

async fn get(triggers: &Triggers, project: &ProjectId, id: &JobId) -> Result<Value, ApiError> {
    if let Some(job) = found(triggers.jobs.job(project, id).await)? {
        return Ok(json!(JobView::whole(job)));
    }
    Ok(json!(found(triggers.jobs.dead_job(project, id).await)?.map(DeadJobView::whole)))
}

async fn list(
    triggers: &Triggers,
    project: &ProjectId,
    (queue, state, limit): (Option<String>, Option<String>, Option<usize>),
) -> Result<Value, ApiError> {
    let queue = queue.as_deref().map(QueueName::parse).transpose()?;
    let limit = limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    if state.as_deref() == Some("dead") {
        let dead = triggers.jobs.dead_jobs(project, DeadFilter { queue, before: None, limit }).await?;
        return Ok(dead.into_iter().map(|job| json!(DeadJobView::without_payload(job))).collect());
    }
    let state = state.map(|state| serde_json::from_value::<JobState>(state.into())).transpose();
    let state = state.map_err(|error| invalid(&error))?;
    let jobs = triggers.jobs.jobs(project, JobFilter { queue, state, before: None, limit }).await?;
    Ok(jobs.into_iter().map(|job| json!(JobView::without_payload(job))).collect())
}

fn found<T>(answer: Result<T, JobsError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(JobsError::JobNotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn invalid(error: &serde_json::Error) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, error.to_string())
}
