//! Schedules, as cron triggers make them: next times, history, run now, pause and resume.

use super::types::{EnqueuedJob, ScheduleDetail, ScheduleList, ScheduleRunView, ScheduleView};
use super::{Mounted, Page, Scope, invalid, next};
use ::jobs::ScheduleName;
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let all = ["/v1/schedules", "/v1/projects/{project}/schedules"];
    let one = ["/v1/schedules/{name}", "/v1/projects/{project}/schedules/{name}"];
    let describe_list = |route: Route| {
        route
            .summary("The schedules of a project, with their next times")
            .query("limit", "1 to 1000; 50 where absent")
            .query("cursor", "`next_cursor` of the page before")
            .answers::<ScheduleList>(200, "by name")
            .errors(&[ErrorCode::InvalidRequest])
    };
    let describe_get = |route: Route| {
        route
            .summary("A schedule with its history")
            .query("limit", "runs, 1 to 1000; 50 where absent")
            .query("cursor", "`next_cursor` of the page before")
            .answers::<ScheduleDetail>(200, "the schedule, its runs with the newest first")
            .errors(&[ErrorCode::InvalidRequest, ErrorCode::ScheduleNotFound])
    };
    let mounted = mounted.both((Route::get, all, Action::JobRead), describe_list, list).both(
        (Route::get, one, Action::JobRead),
        describe_get,
        get,
    );
    mount_changes(mounted)
}

fn mount_changes(mounted: Mounted) -> Mounted {
    let run_paths = ["/v1/schedules/{name}/run", "/v1/projects/{project}/schedules/{name}/run"];
    let pause_paths = ["/v1/schedules/{name}/pause", "/v1/projects/{project}/schedules/{name}/pause"];
    let resume_paths = ["/v1/schedules/{name}/resume", "/v1/projects/{project}/schedules/{name}/resume"];
    let describe_run = |route: Route| {
        route
            .summary("Run a schedule now, beside its planned times")
            .answers::<EnqueuedJob>(202, "the job")
            .errors(&[ErrorCode::ScheduleNotFound, ErrorCode::LimitExceeded])
    };
    let describe_pause = |route: Route| {
        route
            .summary("Let planned times pass without a run")
            .answers::<ScheduleView>(200, "it is paused, also after the next deployment")
            .errors(&[ErrorCode::ScheduleNotFound])
    };
    let describe_resume = |route: Route| {
        route
            .summary("Go on with the next planned time")
            .answers::<ScheduleView>(200, "it is not paused")
            .errors(&[ErrorCode::ScheduleNotFound])
    };
    mounted
        .both((Route::post, run_paths, Action::JobAdmin), describe_run, run)
        .both((Route::post, pause_paths, Action::JobAdmin), describe_pause, pause)
        .both((Route::post, resume_paths, Action::JobAdmin), describe_resume, resume)
}

async fn list(scope: Scope, page: Page) -> Result<Json<ScheduleList>, ApiError> {
    let after = page.0.cursor.as_deref().map(ScheduleName::parse).transpose()?;
    let found = scope.triggers.jobs.schedules(&scope.project, after.as_ref(), page.limit()).await?;
    let next_cursor = next(&found, page.limit(), |schedule| schedule.saved.name.to_string());
    Ok(Json(ScheduleList { schedules: found.into_iter().map(ScheduleView::from).collect(), next_cursor }))
}

async fn get(scope: Scope, page: Page) -> Result<Json<ScheduleDetail>, ApiError> {
    let name = scope.schedule()?;
    let before = page.0.cursor.as_deref().map(str::parse).transpose();
    let before = before.map_err(|_| invalid("`cursor` is `next_cursor` of the page before"))?;
    let schedule = scope.triggers.jobs.schedule(&scope.project, &name).await?;
    let runs = scope.triggers.jobs.schedule_runs(&scope.project, &name, before, page.limit()).await?;
    let next_cursor = next(&runs, page.limit(), |run| run.cursor.to_string());
    let runs = runs.into_iter().map(ScheduleRunView::from).collect();
    Ok(Json(ScheduleDetail { schedule: schedule.into(), runs, next_cursor }))
}

async fn run(scope: Scope) -> Result<(StatusCode, Json<EnqueuedJob>), ApiError> {
    let enqueued = scope.triggers.jobs.run_schedule(&scope.project, &scope.schedule()?).await?;
    let job = EnqueuedJob { id: enqueued.id.to_string(), existed: enqueued.existed };
    Ok((StatusCode::ACCEPTED, Json(job)))
}

async fn pause(scope: Scope) -> Result<Json<ScheduleView>, ApiError> {
    Ok(Json(scope.triggers.jobs.pause_schedule(&scope.project, &scope.schedule()?).await?.into()))
}

async fn resume(scope: Scope) -> Result<Json<ScheduleView>, ApiError> {
    Ok(Json(scope.triggers.jobs.resume_schedule(&scope.project, &scope.schedule()?).await?.into()))
}
