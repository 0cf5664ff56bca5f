//! Schedules of a project: those that cron triggers of live versions declare.

use super::api::segment;
use super::context::Context;
use super::listing::Listing;
use super::output::Output;
use super::queues::PageArgs;
use serde_json::{Value, json};

/// What can be done with schedules.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SchedulesCommand {
    /// List schedules with their next times
    List {
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show a schedule and its last runs
    Show {
        /// Schedule
        name: String,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Run it now, beside its planned times
    Run {
        /// Schedule
        name: String,
    },
    /// Let planned times pass without a run
    Pause {
        /// Schedule
        name: String,
    },
    /// Go on with the next planned time
    Resume {
        /// Schedule
        name: String,
    },
}

pub(crate) async fn run(context: &Context, command: SchedulesCommand) -> anyhow::Result<()> {
    let project = context.project().await?;
    let schedules = project.path("schedules")?;
    let output = context.output;
    let at = |name: &str| anyhow::Ok(format!("{schedules}/{}", segment(name)?));
    match command {
        SchedulesCommand::List { page } => {
            let path = format!("{schedules}{}", page.query()?);
            Ok(SCHEDULES.show(output, &project.api.get(&path).await?)?)
        }
        SchedulesCommand::Show { name, page } => {
            let path = format!("{}{}", at(&name)?, page.query()?);
            let detail: Value = project.api.get(&path).await?;
            Ok(output.answer(&detail, || shown(output, &detail))?)
        }
        SchedulesCommand::Run { name } => {
            let job: Value = project.api.post(&format!("{}/run", at(&name)?), &json!({})).await?;
            let id = job["id"].as_str().unwrap_or_default();
            Ok(output.answer(&job, || format!("{id} is enqueued"))?)
        }
        SchedulesCommand::Pause { name } => {
            let schedule: Value = project.api.post(&format!("{}/pause", at(&name)?), &json!({})).await?;
            Ok(output.answer(&schedule, || format!("{name} is paused"))?)
        }
        SchedulesCommand::Resume { name } => {
            let schedule: Value = project.api.post(&format!("{}/resume", at(&name)?), &json!({})).await?;
            Ok(output.answer(&schedule, || format!("{name} goes on"))?)
        }
    }
}

fn shown(output: Output, detail: &Value) -> String {
    let schedule = json!({ "schedules": [detail["schedule"]] });
    format!("{}\n\n{}", SCHEDULES.text(output, &schedule), RUNS.text(output, detail))
}

const SCHEDULES: Listing<'static> = Listing {
    field: "schedules",
    columns: &[
        ("SCHEDULE", "name"),
        ("FUNCTION", "function"),
        ("WHEN", "schedule"),
        ("ZONE", "time_zone"),
        ("NEXT", "next_at"),
        ("PAUSED", "paused"),
    ],
    empty: "no function has a schedule; give one a trigger of the kind `cron`",
};

const RUNS: Listing<'static> = Listing {
    field: "runs",
    columns: &[
        ("PLANNED", "planned_at"),
        ("OUTCOME", "outcome"),
        ("FINISHED", "finished_at"),
        ("JOB", "job"),
        ("ERROR", "error"),
    ],
    empty: "it has not run yet",
};
