//! Queues: what stands in them, pause and resume.

use super::types::{QueueList, QueueView};
use super::{Mounted, Scope};
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let list_paths = ["/v1/queues", "/v1/projects/{project}/queues"];
    let pause_paths = ["/v1/queues/{queue}/pause", "/v1/projects/{project}/queues/{queue}/pause"];
    let resume_paths = ["/v1/queues/{queue}/resume", "/v1/projects/{project}/queues/{queue}/resume"];
    let describe_list = |route: Route| {
        route
            .summary("The queues that have anything; those with `$` in front hold runs of other triggers")
            .answers::<QueueList>(200, "by name")
    };
    let describe_pause = |route: Route| {
        route
            .summary("Begin no more jobs of a queue; those that run end")
            .answers_plain("204", "it is paused")
            .errors(&[ErrorCode::InvalidName, ErrorCode::LimitExceeded])
    };
    let describe_resume = |route: Route| {
        route
            .summary("Take jobs of a queue again")
            .answers_plain("204", "it is not paused")
            .errors(&[ErrorCode::InvalidName])
    };
    mounted
        .both((Route::get, list_paths, Action::JobRead), describe_list, list)
        .both((Route::post, pause_paths, Action::JobAdmin), describe_pause, pause)
        .both((Route::post, resume_paths, Action::JobAdmin), describe_resume, resume)
}

async fn list(scope: Scope) -> Result<Json<QueueList>, ApiError> {
    let stats = scope.triggers.jobs.stats(&scope.project).await?;
    let consumer = |queue: &str| scope.triggers.consumer(&scope.project, queue);
    let queues = stats.into_iter().map(|(name, stats)| QueueView::of(&name, &stats, consumer(name.as_str())));
    Ok(Json(QueueList { queues: queues.collect() }))
}

async fn pause(scope: Scope) -> Result<StatusCode, ApiError> {
    scope.triggers.jobs.pause(&scope.project, &scope.queue()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn resume(scope: Scope) -> Result<StatusCode, ApiError> {
    scope.triggers.jobs.resume(&scope.project, &scope.queue()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
