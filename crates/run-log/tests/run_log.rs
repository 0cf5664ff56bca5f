//! The log as its users see it: order, filters, cursors, separation, bounds, purge.

#![allow(clippy::unwrap_used)]

use run_log::{Level, LogLine, LogPage, LogQuery, RunLog, RunLogConfig};
use service_kit::clock::now_ms;
use service_kit::ids::{FunctionId, ProjectId};
use std::sync::Arc;

struct Fixture {
    directory: tempfile::TempDir,
    log: Arc<RunLog>,
    project: ProjectId,
    function: FunctionId,
}

impl Fixture {
    async fn new(config: RunLogConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = RunLog::open(directory.path(), config).await.unwrap();
        Self { directory, log, project: ProjectId::generate(), function: FunctionId::generate() }
    }

    fn line(&self, message: &str) -> LogLine {
        LogLine {
            project: self.project.clone(),
            function: self.function.clone(),
            version: "v1".into(),
            invocation_id: Some("inv_1".into()),
            level: Level::Info,
            message: message.to_owned(),
            at_ms: now_ms(),
        }
    }

    async fn query(&self, wanted: LogQuery) -> LogPage {
        self.log.query(&self.project, &self.function, wanted).await.unwrap()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path().join("logs")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn messages(page: &LogPage) -> Vec<&str> {
    page.lines.iter().map(|line| line.message.as_str()).collect()
}

fn newest(limit: usize) -> LogQuery {
    LogQuery { limit, ..LogQuery::default() }
}

#[tokio::test]
async fn the_newest_lines_come_in_order_and_the_cursor_follows() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    for number in 0..5 {
        fixture.log.write(fixture.line(&number.to_string()));
    }
    let page = fixture.query(newest(2)).await;
    assert_eq!(messages(&page), ["3", "4"]);
    fixture.log.write(fixture.line("5"));
    fixture.log.write(fixture.line("6"));
    let followed = fixture.query(LogQuery { after: page.next, ..newest(1) }).await;
    assert_eq!(messages(&followed), ["5"]);
    let rest = fixture.query(LogQuery { after: followed.next, ..newest(10) }).await;
    assert_eq!(messages(&rest), ["6"]);
    let nothing = fixture.query(LogQuery { after: rest.next, ..newest(10) }).await;
    assert_eq!((nothing.lines.len(), nothing.next), (0, rest.next));
}

#[tokio::test]
async fn filters_choose_by_call_level_and_time() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let now = now_ms();
    fixture.log.write(LogLine { level: Level::Debug, at_ms: now - 3, ..fixture.line("debug") });
    fixture.log.write(LogLine { level: Level::Warn, at_ms: now - 2, ..fixture.line("warn") });
    fixture.log.write(LogLine { level: Level::Error, at_ms: now - 1, ..fixture.line("error") });
    fixture.log.write(LogLine { invocation_id: Some("inv_2".into()), ..fixture.line("other") });
    let by_level = fixture.query(LogQuery { level: Some(Level::Warn), ..newest(10) }).await;
    assert_eq!(messages(&by_level), ["warn", "error"]);
    let by_time =
        fixture.query(LogQuery { since_ms: Some(now - 2), until_ms: Some(now - 1), ..newest(10) }).await;
    assert_eq!(messages(&by_time), ["warn"]);
    let by_call = fixture.query(LogQuery { invocation_id: Some("inv_2".into()), ..newest(10) }).await;
    assert_eq!(messages(&by_call), ["other"]);
}

#[tokio::test]
async fn a_project_does_not_see_the_lines_of_another() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    fixture.log.write(fixture.line("mine"));
    let foreign = ProjectId::generate();
    let page = fixture.log.query(&foreign, &fixture.function, newest(10)).await.unwrap();
    assert_eq!(page.lines, []);
}

#[tokio::test]
async fn purge_removes_one_project_from_database_and_files() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let other = ProjectId::generate();
    fixture.log.write(fixture.line("gone"));
    fixture.log.write(LogLine { project: other.clone(), ..fixture.line("stays") });
    fixture.log.purge(&fixture.project).await.unwrap();
    assert_eq!(fixture.query(newest(10)).await.lines, []);
    let kept = fixture.log.query(&other, &fixture.function, newest(10)).await.unwrap();
    assert_eq!(messages(&kept), ["stays"]);
    let files = fixture.files();
    assert!(files.len() == 1 && files[0].starts_with(other.as_str()), "{files:?}");
}

#[tokio::test]
async fn purge_of_a_function_leaves_the_others() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let other = FunctionId::generate();
    fixture.log.write(fixture.line("gone"));
    fixture.log.write(LogLine { function: other.clone(), ..fixture.line("stays") });
    fixture.log.purge_function(&fixture.project, &fixture.function).await.unwrap();
    assert_eq!(fixture.query(newest(10)).await.lines, []);
    let kept = fixture.log.query(&fixture.project, &other, newest(10)).await.unwrap();
    assert_eq!(messages(&kept), ["stays"]);
    assert_eq!(fixture.files().len(), 1);
}

#[tokio::test]
async fn lines_that_find_no_room_are_counted() {
    let fixture = Fixture::new(RunLogConfig { buffer_lines_max: 4, ..RunLogConfig::default() }).await;
    // One thread, no await: the writer cannot run in between.
    for number in 0..10 {
        fixture.log.write(fixture.line(&number.to_string()));
    }
    assert_eq!(fixture.log.dropped(), 6);
    assert_eq!(fixture.query(newest(100)).await.lines.len(), 4);
    fixture.log.write(fixture.line("room again"));
    assert_eq!(messages(&fixture.query(newest(1)).await), ["room again"]);
}

#[tokio::test]
async fn lines_survive_a_restart_and_old_ones_do_not() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    fixture.log.write(LogLine { at_ms: 1_000, ..fixture.line("from 1970") });
    fixture.log.write(fixture.line("new"));
    fixture.log.close().await;
    fixture.log.write(fixture.line("too late"));
    assert_eq!(fixture.log.dropped(), 1);
    let again = RunLog::open(fixture.directory.path(), RunLogConfig::default()).await.unwrap();
    // Retention runs at the start, before or after this query: ask until it has.
    let mut lines = Vec::new();
    for _ in 0..1_000 {
        lines = again.query(&fixture.project, &fixture.function, newest(10)).await.unwrap().lines;
        if lines.len() == 1 {
            break;
        }
    }
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].message, "new");
}

#[tokio::test]
async fn a_full_file_is_followed_by_the_next() {
    let config = RunLogConfig { file_bytes_max: 600, batch_lines_max: 1, ..RunLogConfig::default() };
    let fixture = Fixture::new(config).await;
    for _ in 0..4 {
        fixture.log.write(fixture.line(&"x".repeat(300)));
    }
    fixture.log.flush().await.unwrap();
    assert!(fixture.files().len() >= 2, "{:?}", fixture.files());
    let text: String = fixture
        .files()
        .iter()
        .map(|name| std::fs::read_to_string(fixture.directory.path().join("logs").join(name)).unwrap())
        .collect();
    assert_eq!(text.lines().count(), 4);
    let record: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&record["level"], &record["invocation_id"]), (&"info".into(), &"inv_1".into()));
}

#[tokio::test]
async fn a_failing_disk_is_counted_and_the_log_goes_on() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let database = sql::Database::open(&fixture.directory.path().join("logs.db"), sql::Durability::Normal)
        .await
        .unwrap();
    let rename = |from: &'static str, to: &'static str| {
        let database = database.clone();
        async move {
            let mut write = database.write().await.unwrap();
            let statement = sqlx::AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
            sqlx::query(statement).execute(&mut *write).await.unwrap();
            write.commit().await.unwrap();
        }
    };
    rename("action_logs", "elsewhere").await;
    fixture.log.write(fixture.line("lost"));
    fixture.log.flush().await.unwrap();
    assert_eq!(fixture.log.dropped(), 1);
    rename("elsewhere", "action_logs").await;
    fixture.log.write(fixture.line("kept"));
    assert_eq!(messages(&fixture.query(newest(10)).await), ["kept"]);
}

#[tokio::test]
async fn a_follower_is_woken_for_its_function_and_gets_every_line_once() {
    let fixture =
        Fixture::new(RunLogConfig { flush_interval_ms: 3_600_000, ..RunLogConfig::default() }).await;
    let mut wake_up = fixture.log.follow(&fixture.function);
    let (mut seen, mut after) = (Vec::new(), Some(0));
    let writer = {
        let (log, line) = (fixture.log.clone(), fixture.line(""));
        tokio::spawn(async move {
            for number in 0..300 {
                log.write(LogLine { message: number.to_string(), ..line.clone() });
                log.write(LogLine { function: FunctionId::generate(), ..line.clone() });
                if number % 50 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    while seen.len() < 300 {
        wake_up.changed().await.unwrap();
        loop {
            let wanted = LogQuery { after, ..newest(7) };
            let page = fixture.log.written(&fixture.project, &fixture.function, wanted).await.unwrap();
            if page.lines.is_empty() {
                break;
            }
            after = page.next;
            seen.extend(page.lines.into_iter().map(|line| line.message));
        }
    }
    writer.await.unwrap();
    assert_eq!(seen, (0..300).map(|number| number.to_string()).collect::<Vec<_>>());
}
