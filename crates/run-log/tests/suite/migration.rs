//! A store of the first version is taken over: its lines are there, and they count.

use crate::support::{Fixture, messages, newest};
use run_log::{RunLog, RunLogConfig};
use service_kit::ids::{FunctionId, ProjectId};
use sql::{Database, Durability, Migration};

/// The migration that was released first. It is never changed.
const FIRST: Migration = Migration {
    number: 1,
    name: "lines",
    sql: "CREATE TABLE action_logs (
              id INTEGER PRIMARY KEY AUTOINCREMENT, project TEXT NOT NULL, function TEXT NOT NULL,
              version TEXT NOT NULL, invocation TEXT, level INTEGER NOT NULL, message TEXT NOT NULL,
              at_ms INTEGER NOT NULL);
          CREATE INDEX action_logs_function ON action_logs (project, function, id);
          CREATE INDEX action_logs_invocation ON action_logs (invocation) WHERE invocation IS NOT NULL;",
};

#[tokio::test]
async fn lines_of_an_earlier_version_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs.db");
    let (project, function) = (ProjectId::generate(), FunctionId::generate());
    let database = Database::open(&path, Durability::Normal).await.unwrap();
    database.migrate("run-log", &[FIRST]).await.unwrap();
    let mut write = database.write().await.unwrap();
    for message in ["one", "twö"] {
        sqlx::query(
            "INSERT INTO action_logs (project, function, version, level, message, at_ms) VALUES ($1, $2, 'v1', 1, $3, $4)",
        )
        .bind(project.as_str())
        .bind(function.as_str())
        .bind(message)
        .bind(service_kit::clock::now_ms())
        .execute(&mut *write)
        .await
        .unwrap();
    }
    write.commit().await.unwrap();
    database.close().await;
    let log = RunLog::open(directory.path(), RunLogConfig::default()).await.unwrap();
    let page = log.query(&project, &function, newest(10)).await.unwrap();
    assert_eq!(messages(&page), ["one", "twö"]);
    assert_eq!(page.lines[0].fields, None);
    assert_eq!(usage(&log, directory.path(), &project).await, Some((2, 2 * 120 + 3 + 4)));
    log.close().await;
}

/// Lines and bytes that are counted for a project.
async fn usage(log: &RunLog, directory: &std::path::Path, project: &ProjectId) -> Option<(i64, i64)> {
    log.flush().await.unwrap();
    let database = Database::open(&directory.join("logs.db"), Durability::Normal).await.unwrap();
    let found = sqlx::query_as("SELECT lines, line_bytes FROM log_usage WHERE project = $1")
        .bind(project.as_str())
        .fetch_optional(database.read())
        .await
        .unwrap();
    database.close().await;
    found
}

#[tokio::test]
async fn what_a_project_takes_is_counted_through_writes_and_removals() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let line = fixture.line("four");
    fixture.log.write(run_log::LogLine { fields: Some("{\"a\": 1}".to_owned()), ..line.clone() });
    let other = run_log::LogLine { function: FunctionId::generate(), ..line };
    fixture.log.write(other.clone());
    let counted = async || usage(&fixture.log, fixture.directory.path(), &fixture.project).await;
    assert_eq!(counted().await, Some((2, 2 * 124 + 7)));
    fixture.log.purge_function(&fixture.project, &fixture.function).await.unwrap();
    assert_eq!(counted().await, Some((1, 124)));
    fixture.log.purge_function(&fixture.project, &other.function).await.unwrap();
    assert_eq!(counted().await, None);
}
