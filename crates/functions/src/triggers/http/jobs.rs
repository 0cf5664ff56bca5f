//! Jobs that have not ended: enqueue, list, look, cancel.

use super::types::{EnqueueJob, EnqueuedJob, JobList, JobView};
use super::{Mounted, Page, Scope, next};
use ::jobs::{JobFilter, JobsError};
use http::StatusCode;
use ports::access::Action;
use ports::jobs::NewJob;
use routes::Route;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let all = ["/v1/queues/{queue}/jobs", "/v1/projects/{project}/queues/{queue}/jobs"];
    let one = ["/v1/queues/{queue}/jobs/{job}", "/v1/projects/{project}/queues/{queue}/jobs/{job}"];
    let describe_enqueue = |route: Route| {
        route
            .summary("Enqueue a job; it is on disk when this answers")
            .body::<EnqueueJob>()
            .answers::<EnqueuedJob>(202, "the job, or the one that has its unique key")
            .errors(&[ErrorCode::InvalidRequest, ErrorCode::LimitExceeded, ErrorCode::DiskFull])
            .errors(&[ErrorCode::BodyTooLarge, ErrorCode::Unavailable])
    };
    let describe_list = |route: Route| {
        route
            .summary("Jobs of a queue that have not ended, without their payloads")
            .query("state", "ready, delayed, held or running")
            .query("limit", "1 to 1000; 50 where absent")
            .query("cursor", "`next_cursor` of the page before")
            .answers::<JobList>(200, "the newest first")
            .errors(&[ErrorCode::InvalidRequest, ErrorCode::InvalidName])
    };
    let describe_get = |route: Route| {
        route
            .summary("A job that has not ended")
            .answers::<JobView>(200, "the job with its payload")
            .errors(&[ErrorCode::JobNotFound])
    };
    let describe_cancel = |route: Route| {
        route
            .summary("Remove a job; where it runs its call is given up")
            .answers_plain("204", "it is gone")
            .errors(&[ErrorCode::JobNotFound])
    };
    mounted
        .both((Route::post, all, Action::JobEnqueue), describe_enqueue, enqueue)
        .both((Route::get, all, Action::JobRead), describe_list, list)
        .both((Route::get, one, Action::JobRead), describe_get, get)
        .both((Route::delete, one, Action::JobAdmin), describe_cancel, cancel)
}

async fn enqueue(
    scope: Scope,
    Json(body): Json<EnqueueJob>,
) -> Result<(StatusCode, Json<EnqueuedJob>), ApiError> {
    let job = NewJob {
        queue: scope.name("queue").to_owned(),
        payload: body.payload.to_string().into(),
        options: body.options,
        origin: None,
    };
    let queued = scope.triggers.queues.enqueue(&scope.project, vec![job]).await?;
    let queued = queued.into_iter().next();
    let nothing = || ApiError::new(ErrorCode::Internal, "the queue did not say what it took");
    queued.map(|job| (StatusCode::ACCEPTED, Json(EnqueuedJob::from(job)))).ok_or_else(nothing)
}

async fn list(scope: Scope, page: Page) -> Result<Json<JobList>, ApiError> {
    let filter = JobFilter {
        queue: Some(scope.queue()?),
        state: page.0.state,
        before: page.before()?,
        limit: page.limit(),
    };
    let jobs = scope.triggers.jobs.jobs(&scope.project, filter).await?;
    let next_cursor = next(&jobs, page.limit(), |job| job.id.to_string());
    Ok(Json(JobList { jobs: jobs.into_iter().map(JobView::without_payload).collect(), next_cursor }))
}

async fn found(scope: &Scope) -> Result<::jobs::JobView, JobsError> {
    let job = scope.triggers.jobs.job(&scope.project, &scope.job()?).await?;
    if job.spec.queue == scope.queue()? { Ok(job) } else { Err(JobsError::JobNotFound) }
}

async fn get(scope: Scope) -> Result<Json<JobView>, ApiError> {
    Ok(Json(JobView::whole(found(&scope).await?)))
}

async fn cancel(scope: Scope) -> Result<StatusCode, ApiError> {
    let job = found(&scope).await?;
    scope.triggers.jobs.cancel(&scope.project, &job.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
