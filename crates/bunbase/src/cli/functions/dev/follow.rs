//! What the functions write, as it is written.

use super::console::Console;
use super::running::Names;
use anyhow::Context as _;
use run_log::{LogQuery, RunLog};
use service_kit::ids::ProjectId;
use std::time::Duration;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);
/// Lines that are read at once.
const PAGE: usize = 200;

/// Prints each line once, without end.
pub(super) async fn follow(
    logs: &RunLog,
    (project, names): (&str, Names),
    console: &Console,
) -> anyhow::Result<()> {
    let project = ProjectId::parse(project).context("the project has no id")?;
    let newest = logs.query_project(&project, LogQuery { limit: 1, ..LogQuery::default() }).await?;
    let mut after = newest.next.unwrap_or(0);
    loop {
        let wanted = LogQuery { after: Some(after), limit: PAGE, ..LogQuery::default() };
        let page = logs.query_project(&project, wanted).await?;
        for line in &page.lines {
            console.log(names.of(&line.function).as_deref().unwrap_or(&line.function), line)?;
        }
        after = page.next.unwrap_or(after);
        if !page.more {
            tokio::time::sleep(EVERY).await;
        }
    }
}
