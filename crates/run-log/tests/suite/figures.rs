//! Figures: every call is counted, kept or not, across minutes, hours and restarts.

use crate::support::Fixture;
use run_log::{ChartWindow, Run, RunLogConfig, RunStatus};
use service_kit::ids::ProjectId;
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// The beginning of an hour.
const START_MS: i64 = 500_000 * HOUR_MS;

#[tokio::test]
async fn a_chart_counts_what_was_not_kept_too() {
    let config = RunLogConfig { project_runs_per_second: 5, ..RunLogConfig::default() };
    let fixture = Fixture::at(config, START_MS).await;
    for _ in 0..90 {
        fixture.log.record(Run { duration_us: 1_000, ..fixture.run() });
    }
    for _ in 0..10 {
        fixture.log.record(Run { duration_us: 50_000, cold_start_us: Some(1), ..fixture.failed("timeout") });
    }
    fixture.log.record(Run { version: "v2".into(), status: RunStatus::Cancelled, ..fixture.run() });
    let chart = fixture.log.chart(&fixture.project, &fixture.function, ChartWindow::Hour).await.unwrap();
    let total = &chart.total;
    assert_eq!((total.calls, total.errors, total.cold_starts, total.cancelled), (101, 10, 10, 1));
    assert_eq!((total.errors_by_code["timeout"], total.runs_sampled_out), (10, 86));
    assert!((957..=1_045).contains(&total.duration.p50_us), "{total:?}");
    assert!((47_800..=50_000).contains(&total.duration.p95_us), "{total:?}");
    assert_eq!((total.duration.max_us, total.queue_wait.max_us), (50_000, 20));
    let versions: Vec<_> = chart.versions.iter().map(|of| (of.version.as_str(), of.figures.calls)).collect();
    assert_eq!(versions, [("v1", 100), ("v2", 1)]);
    assert_eq!(
        (chart.points.len(), chart.points[59].at_ms, chart.points[59].figures.calls),
        (60, START_MS, 101)
    );
    let foreign =
        fixture.log.chart(&ProjectId::generate(), &fixture.function, ChartWindow::Week).await.unwrap();
    assert_eq!(foreign.total.calls, 0);
}

#[tokio::test]
async fn totals_only_grow_whatever_was_written_and_are_those_of_the_project() {
    let config = RunLogConfig { project_runs_per_second: 1, ..RunLogConfig::default() };
    let fixture = Fixture::at(config, START_MS).await;
    let calls = || fixture.log.totals(&fixture.project).iter().map(|of| of.calls).sum::<u64>();
    for minute in 0..6 {
        let started_at_ms = START_MS + minute * MINUTE_MS;
        fixture.log.record(Run { started_at_ms, duration_us: 4_096, ..fixture.run() });
        fixture.log.record(Run { started_at_ms, duration_us: 5_000, ..fixture.failed("timeout") });
        assert_eq!(calls(), 2 * (minute as u64 + 1), "before it is written");
        fixture.set_now_ms(started_at_ms + MINUTE_MS);
        fixture.log.flush().await.unwrap();
        assert_eq!(calls(), 2 * (minute as u64 + 1), "and after");
    }
    let totals = fixture.log.totals(&fixture.project).remove(0);
    assert_eq!((&*totals.version, totals.errors_by_code["timeout"]), ("v1", 6));
    let up_to = |us| totals.duration.up_to_us.iter().find(|(bound, _)| *bound == us).unwrap().1;
    assert_eq!((up_to(2_048), up_to(4_096), up_to(8_192), totals.duration.count), (0, 6, 12, 12));
    assert_eq!(totals.duration.sum_us, 6 * (4_096 + 5_000));
    assert!(fixture.log.totals(&ProjectId::generate()).is_empty());
    fixture.log.purge(&fixture.project).await.unwrap();
    assert_eq!(calls(), 0);
}

#[tokio::test]
async fn figures_of_a_minute_add_up_across_restarts_and_flushes() {
    let fixture = Fixture::at(RunLogConfig::default(), START_MS).await;
    fixture.log.record(fixture.run());
    fixture.log.flush().await.unwrap();
    fixture.log.record(fixture.run());
    let again = fixture.again(RunLogConfig::default()).await;
    again.log.record(again.run());
    let chart = again.log.chart(&again.project, &again.function, ChartWindow::Hour).await.unwrap();
    assert_eq!((chart.total.calls, chart.points[59].figures.calls), (3, 3));
}

/// Waits for what a task does on its own time.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(30), async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    });
    waited.await.expect("it did not happen");
}

#[tokio::test]
async fn hours_outlive_their_minutes_and_are_counted_once() {
    let config = RunLogConfig { minutes_retention_days: 2, ..RunLogConfig::default() };
    let fixture = Fixture::at(config.clone(), START_MS).await;
    let chart = async |fixture: &Fixture, window| {
        fixture.log.chart(&fixture.project, &fixture.function, window).await.unwrap()
    };
    for hour in 0..3 {
        fixture.set_now_ms(START_MS + hour * HOUR_MS);
        for _ in 0..=hour {
            fixture.log.record(fixture.run());
        }
        fixture.log.flush().await.unwrap();
    }
    // The hours are added up by whoever opens the log next, before or after a chart is asked for.
    let again = fixture.again(config.clone()).await;
    assert_eq!(chart(&again, ChartWindow::Week).await.total.calls, 6);
    again.set_now_ms(START_MS + 80 * HOUR_MS);
    let later = again.again(config).await;
    // After 80 hours the minutes are gone; what is left comes from the hours.
    until(async || {
        let database = later.directory.path().join("logs.db");
        let database = sql::Database::open(&database, sql::Durability::Normal).await.unwrap();
        let minutes: i64 = sqlx::query_scalar("SELECT count(*) FROM run_figures WHERE step = 1")
            .fetch_one(database.read())
            .await
            .unwrap();
        database.close().await;
        minutes == 0
    })
    .await;
    let week = chart(&later, ChartWindow::Week).await;
    let calls: Vec<u64> =
        week.points.iter().map(|point| point.figures.calls).filter(|calls| *calls > 0).collect();
    assert_eq!((calls, week.total.calls), (vec![1, 2, 3], 6));
    assert_eq!(chart(&later, ChartWindow::Day).await.total.calls, 0);
}

#[tokio::test]
async fn a_removed_function_has_no_figures() {
    let fixture = Fixture::at(RunLogConfig::default(), START_MS).await;
    fixture.log.record(fixture.run());
    fixture.log.flush().await.unwrap();
    fixture.log.purge_function(&fixture.project, &fixture.function).await.unwrap();
    let chart = fixture.log.chart(&fixture.project, &fixture.function, ChartWindow::Hour).await.unwrap();
    assert_eq!(chart.total.calls, 0);
}
