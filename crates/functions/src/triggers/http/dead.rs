//! Dead letters: jobs that have no attempts left.

use super::types::{Changed, DeadJobView, DeadList};
use super::{Mounted, Page, Scope, next};
use ::jobs::{DeadFilter, DeadJob, JobsError};
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let all = ["/v1/queues/{queue}/dead", "/v1/projects/{project}/queues/{queue}/dead"];
    let one = ["/v1/queues/{queue}/dead/{job}", "/v1/projects/{project}/queues/{queue}/dead/{job}"];
    let mounted = mount_replay(mounted);
    let describe_list = |route: Route| {
        route
            .summary("Dead letters of a queue, without their payloads")
            .query("limit", "1 to 1000; 50 where absent")
            .query("cursor", "`next_cursor` of the page before")
            .answers::<DeadList>(200, "those that were enqueued last first")
            .errors(&[ErrorCode::InvalidRequest, ErrorCode::InvalidName])
    };
    let describe_get = |route: Route| {
        route
            .summary("A dead letter")
            .answers::<DeadJobView>(200, "the job with its payload and its last error")
            .errors(&[ErrorCode::JobNotFound])
    };
    let describe_discard = |route: Route| {
        route
            .summary("Remove a dead letter")
            .answers_plain("204", "it is gone")
            .errors(&[ErrorCode::JobNotFound])
    };
    let describe_discard_all = |route: Route| {
        route.summary("Remove all dead letters of a queue").answers::<Changed>(200, "how many they were")
    };
    mounted
        .both((Route::get, all, Action::JobRead), describe_list, list)
        .both((Route::delete, all, Action::JobAdmin), describe_discard_all, discard_all)
        .both((Route::get, one, Action::JobRead), describe_get, get)
        .both((Route::delete, one, Action::JobAdmin), describe_discard, discard)
}

fn mount_replay(mounted: Mounted) -> Mounted {
    let all = ["/v1/queues/{queue}/dead/replay", "/v1/projects/{project}/queues/{queue}/dead/replay"];
    let one =
        ["/v1/queues/{queue}/dead/{job}/replay", "/v1/projects/{project}/queues/{queue}/dead/{job}/replay"];
    let describe_one = |route: Route| {
        route
            .summary("Put a dead letter back, with all its attempts before it")
            .answers_plain("204", "it waits again")
            .errors(&[ErrorCode::JobNotFound, ErrorCode::Conflict, ErrorCode::LimitExceeded])
    };
    let describe_all = |route: Route| {
        route
            .summary("Put all dead letters of a queue back; those whose unique key is taken stay")
            .answers::<Changed>(200, "how many wait again")
            .errors(&[ErrorCode::LimitExceeded])
    };
    mounted.both((Route::post, all, Action::JobAdmin), describe_all, replay_all).both(
        (Route::post, one, Action::JobAdmin),
        describe_one,
        replay,
    )
}

async fn list(scope: Scope, page: Page) -> Result<Json<DeadList>, ApiError> {
    let filter = DeadFilter { queue: Some(scope.queue()?), before: page.before()?, limit: page.limit() };
    let jobs = scope.triggers.jobs.dead_jobs(&scope.project, filter).await?;
    let next_cursor = next(&jobs, page.limit(), |job| job.id.to_string());
    Ok(Json(DeadList { jobs: jobs.into_iter().map(DeadJobView::without_payload).collect(), next_cursor }))
}

async fn found(scope: &Scope) -> Result<DeadJob, JobsError> {
    let job = scope.triggers.jobs.dead_job(&scope.project, &scope.job()?).await?;
    if job.spec.queue == scope.queue()? { Ok(job) } else { Err(JobsError::JobNotFound) }
}

async fn get(scope: Scope) -> Result<Json<DeadJobView>, ApiError> {
    Ok(Json(DeadJobView::whole(found(&scope).await?)))
}

async fn replay(scope: Scope) -> Result<StatusCode, ApiError> {
    let job = found(&scope).await?;
    scope.triggers.jobs.replay(&scope.project, &job.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn replay_all(scope: Scope) -> Result<Json<Changed>, ApiError> {
    let count = scope.triggers.jobs.replay_all(&scope.project, &scope.queue()?).await?;
    Ok(Json(Changed { count: count as u64 }))
}

async fn discard(scope: Scope) -> Result<StatusCode, ApiError> {
    let job = found(&scope).await?;
    scope.triggers.jobs.discard(&scope.project, &job.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn discard_all(scope: Scope) -> Result<Json<Changed>, ApiError> {
    let count = scope.triggers.jobs.discard_all(&scope.project, &scope.queue()?).await?;
    Ok(Json(Changed { count }))
}
