//! Retention: by age, by function, by project, in all; no project pushes out what another one keeps.

use crate::support::{Fixture, newest, some_runs};
use run_log::{LogLine, LogQuery, Run, RunLogConfig};
use service_kit::ids::ProjectId;
use std::time::Duration;

/// Opens the log again, whose retention runs at its start, and waits until it has done what is expected.
async fn after_retention(
    fixture: &Fixture,
    config: RunLogConfig,
    mut holds: impl AsyncFnMut(&Fixture) -> bool,
) -> Fixture {
    let again = fixture.again(config).await;
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds(&again).await {
            tokio::task::yield_now().await;
        }
    });
    waited.await.expect("retention did not do what was expected");
    again
}

async fn count(fixture: &Fixture, project: &ProjectId) -> usize {
    let wanted = LogQuery { limit: 100_000, ..LogQuery::default() };
    fixture.log.query_project(project, wanted).await.unwrap().lines.len()
}

fn large() -> RunLogConfig {
    RunLogConfig { query_lines_max: 100_000, ..RunLogConfig::default() }
}

/// Fills one project with many lines and another one with few, the few first.
async fn a_loud_and_a_quiet_project(loud_lines: usize) -> (Fixture, ProjectId) {
    let fixture = Fixture::new(large()).await;
    let quiet = ProjectId::generate();
    for _ in 0..5 {
        fixture.log.write(LogLine { project: quiet.clone(), ..fixture.line("quiet") });
    }
    for number in 0..loud_lines {
        fixture.log.write(fixture.line(&"loud ".repeat(40)));
        if number % 400 == 0 {
            fixture.log.flush().await.unwrap();
        }
    }
    fixture.log.flush().await.unwrap();
    assert_eq!(fixture.log.dropped(), 0);
    (fixture, quiet)
}

#[tokio::test]
async fn old_lines_and_runs_go_and_new_ones_survive_a_restart() {
    let fixture = Fixture::new(large()).await;
    fixture.log.write(LogLine { at_ms: 1_000, ..fixture.line("from 1970") });
    fixture.log.write(fixture.line("new"));
    fixture.log.record(Run { id: "old".into(), started_at_ms: 1_000, ..fixture.run() });
    fixture.log.record(Run { id: "new".into(), ..fixture.run() });
    let again = after_retention(&fixture, large(), async |log| {
        log.query(newest(10)).await.lines.len() == 1 && log.run_ids(some_runs(10)).await.len() == 1
    })
    .await;
    assert_eq!(again.query(newest(10)).await.lines[0].message, "new");
    assert_eq!(again.run_ids(some_runs(10)).await, ["new"]);
}

#[tokio::test]
async fn a_project_keeps_so_many_lines_and_runs() {
    let (fixture, quiet) = a_loud_and_a_quiet_project(60).await;
    for number in 0..30 {
        fixture.log.record(Run { id: number.to_string().into(), ..fixture.run() });
    }
    let config = RunLogConfig { project_lines_max: 50, project_runs_max: 10, ..large() };
    let again = after_retention(&fixture, config, async |log| {
        count(log, &log.project).await <= 50 && log.run_ids(some_runs(100)).await.len() <= 10
    })
    .await;
    assert_eq!((count(&again, &again.project).await, count(&again, &quiet).await), (50, 5));
    assert_eq!(again.run_ids(some_runs(100)).await[0], "29");
}

#[tokio::test]
async fn a_project_keeps_so_many_bytes() {
    let (fixture, quiet) = a_loud_and_a_quiet_project(1_000).await;
    // A line has 200 bytes and 120 beside it.
    let config = RunLogConfig { project_bytes_max: 100 * 320, ..large() };
    let again = after_retention(&fixture, config, async |log| count(log, &log.project).await <= 100).await;
    assert!(count(&again, &again.project).await >= 90);
    assert_eq!(count(&again, &quiet).await, 5);
}

#[tokio::test]
async fn where_all_take_too_much_the_largest_project_gives() {
    let (fixture, quiet) = a_loud_and_a_quiet_project(4_000).await;
    let config = RunLogConfig { database_bytes_max: 700_000, ..large() };
    let again = after_retention(&fixture, config, async |log| count(log, &log.project).await < 3_000).await;
    assert_eq!(count(&again, &quiet).await, 5);
}
