//! Processes of one application that keep their jobs in the same PostgreSQL: they share its queue and its schedules, so
//! they have to call the project by the same id. The first one decides; a new data directory takes the id over.

use super::account::kept;
use super::console::Console;
use super::place::Mode;
use crate::cli::application::Application;
use crate::compose::Services;
use anyhow::Context as _;
use serde_json::Value;
use service_kit::ids::ProjectId;
use std::path::Path;

/// Before the project is made. Says so where this process has one of its own already.
pub(super) async fn agree(
    services: &Services,
    (application, data, mode): (&Application, &Path, Mode),
    console: &Console,
) -> anyhow::Result<()> {
    let Some(jobs) = &services.jobs else { return Ok(()) };
    let own = kept(data)?.remove("BUNBASE_PROJECT").and_then(|id| ProjectId::parse(&id).ok());
    let wanted = own.clone().unwrap_or_else(ProjectId::generate);
    let name = format!("{} in {}", name(application.root()), mode.data());
    let shared = jobs.shared_project(&name, &wanted).await.context("the queue could not be read")?;
    match (shared, own) {
        (Some(shared), None) => {
            services.platform.as_ref().context("projects were not started")?.expect_project(shared);
        }
        (Some(shared), Some(own)) if shared != own => console.problem(&format!(
            "queue and cron are not shared with the other processes on this PostgreSQL, whose project has another id: \
             to share them, stop this one and begin with new data in place of {}",
            data.display()
        ))?,
        _ => {}
    }
    Ok(())
}

/// The name of its package: applications of different names may be in one PostgreSQL.
fn name(root: &Path) -> String {
    let text = std::fs::read_to_string(root.join("package.json")).unwrap_or_default();
    let package: Value = serde_json::from_str(&text).unwrap_or_default();
    package["name"].as_str().unwrap_or("application").to_owned()
}
