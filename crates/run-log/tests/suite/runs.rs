//! Runs: what is kept, how they are found, what becomes of too many.

use crate::support::{Fixture, messages, some_runs};
use bytes::Bytes;
use run_log::{Payload, Run, RunLogConfig, RunQuery, RunStatus, RunTrace, Trigger};
use service_kit::ids::{FunctionId, ProjectId};

#[tokio::test]
async fn a_run_is_read_as_it_was_recorded_with_its_lines() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let run = Run {
        handler: Some("users.create".into()),
        trigger: Trigger::Queue,
        cold_start_us: Some(3_000),
        attempt: 2,
        parent_id: Some("inv_parent".into()),
        input: Some(Payload::of(&Bytes::from_static(br#"{"title": "x", "password": "y"}"#), None)),
        output: Some(Payload::of_answer(&Bytes::from_static(br#"{"data": [1]}"#), None)),
        ..fixture.failed("handler_error")
    };
    fixture.log.record(run.clone());
    for message in ["one", "two"] {
        fixture.log.write(run_log::LogLine { invocation_id: Some(run.id.clone()), ..fixture.line(message) });
    }
    fixture.log.write(fixture.line("of another run"));
    let detail = fixture.log.run(&fixture.project, &run.id, 100).await.unwrap().unwrap();
    assert_eq!(messages(&detail.lines), ["one", "two"]);
    let read = detail.run;
    assert_eq!((read.id.as_str(), read.function.as_str()), (&*run.id, fixture.function.as_str()));
    assert_eq!(
        (read.handler.as_deref(), read.parent_id.as_deref()),
        (Some("users.create"), Some("inv_parent"))
    );
    assert_eq!((read.trigger, read.status, read.http_status), (Trigger::Queue, RunStatus::Error, Some(500)));
    assert_eq!((read.started_at_ms, read.duration_us, read.queue_wait_us), (run.started_at_ms, 1_500, 20));
    assert_eq!((read.cold_start_us, read.attempt, read.error), (Some(3_000), 2, run.error));
    assert_eq!((read.trace_id, read.span_id), (run.trace.context.trace_id, run.trace.context.span_id));
    let (input, output) = (read.input.unwrap(), read.output.unwrap());
    let redacted = serde_json::json!({"title": "x", "password": "[redacted]"});
    assert_eq!((input.value(), input.is_redacted), (redacted, true));
    assert_eq!((output.text.as_str(), output.is_redacted, output.is_truncated), ("[1]", false, false));
    let listed =
        fixture.log.runs(&fixture.project, RunQuery { limit: 1, ..RunQuery::default() }).await.unwrap();
    assert!(listed.runs[0].input.is_none() && listed.runs[0].output.is_none());
}

#[tokio::test]
async fn runs_are_found_by_what_they_are() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let at = fixture.now_ms();
    let named = |id: &str, run: Run| Run { id: id.into(), ..run };
    let other = FunctionId::generate();
    let trace = RunTrace::root(false);
    let runs = [
        named("plain", Run { started_at_ms: at - 5_000, ..fixture.run() }),
        named("cron", Run { trigger: Trigger::Cron, started_at_ms: at - 4_000, ..fixture.run() }),
        named("failed", fixture.failed("timeout")),
        named("lost", fixture.failed("worker_crashed")),
        named("gone", Run { status: RunStatus::Cancelled, trace, ..fixture.run() }),
        named(
            "v2",
            Run { version: "v2".into(), handler: Some("h".into()), duration_us: 9_999, ..fixture.run() },
        ),
        named(
            "other",
            Run { function: other.clone(), parent_id: Some("v2".into()), ..fixture.failed("timeout") },
        ),
        named("foreign", Run { project: ProjectId::generate(), ..fixture.run() }),
    ];
    runs.into_iter().for_each(|run| fixture.log.record(run));
    let all = RunQuery::default;
    let cases = [
        (all(), "other v2 gone lost failed cron plain"),
        (RunQuery { function: Some(fixture.function.clone()), ..all() }, "v2 gone lost failed cron plain"),
        (RunQuery { status: Some(RunStatus::Error), ..all() }, "other lost failed"),
        (RunQuery { status: Some(RunStatus::Error), function: Some(other), ..all() }, "other"),
        (RunQuery { status: Some(RunStatus::Cancelled), ..all() }, "gone"),
        (RunQuery { error_code: Some("timeout".into()), ..all() }, "other failed"),
        (RunQuery { trigger: Some(Trigger::Cron), ..all() }, "cron"),
        (RunQuery { version: Some("v2".into()), ..all() }, "v2"),
        (RunQuery { handler: Some("h".into()), ..all() }, "v2"),
        (RunQuery { parent_id: Some("v2".into()), ..all() }, "other"),
        (RunQuery { has_error: Some(true), parent_id: Some("v2".into()), ..all() }, "other"),
        (RunQuery { trace_id: Some(trace.context.trace_id), ..all() }, "gone"),
        (RunQuery { until_ms: Some(at), ..all() }, "cron plain"),
        (RunQuery { since_ms: Some(at - 4_000), until_ms: Some(at), ..all() }, "cron"),
        (RunQuery { duration_us_min: Some(9_999), ..all() }, "v2"),
    ];
    for (wanted, expected) in cases {
        let found = fixture.run_ids(RunQuery { limit: 10, ..wanted.clone() }).await.join(" ");
        assert_eq!(found, expected, "{wanted:?}");
    }
}

#[tokio::test]
async fn pages_of_runs_have_each_run_once() {
    let fixture = Fixture::new(RunLogConfig { query_scan_max: 7, ..RunLogConfig::default() }).await;
    for number in 0..40 {
        let trigger = if number % 3 == 0 { Trigger::Cron } else { Trigger::Http };
        fixture.log.record(Run { id: number.to_string().into(), trigger, ..fixture.run() });
    }
    let expected: Vec<String> =
        (0..40).rev().filter(|number| number % 3 == 0).map(|n| n.to_string()).collect();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let wanted = RunQuery { trigger: Some(Trigger::Cron), before, ..some_runs(2) };
        let page = fixture.log.runs(&fixture.project, wanted).await.unwrap();
        before = page.next;
        seen.extend(page.runs.into_iter().map(|run| run.id));
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_run_with_a_known_id_is_left_out_and_the_others_stay() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let first = Run { id: "same".into(), ..fixture.run() };
    fixture.log.record(first.clone());
    fixture.log.record(Run { project: ProjectId::generate(), ..first.clone() });
    fixture.log.flush().await.unwrap();
    fixture.log.record(first);
    fixture.log.record(Run { id: "new".into(), ..fixture.run() });
    assert_eq!(fixture.run_ids(some_runs(10)).await, ["new", "same"]);
    assert_eq!(fixture.log.dropped_runs(), 0);
}

#[tokio::test]
async fn a_foreign_run_is_answered_like_one_that_does_not_exist() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let run = fixture.run();
    fixture.log.record(run.clone());
    assert!(fixture.log.run(&fixture.project, &run.id, 1).await.unwrap().is_some());
    assert!(fixture.log.run(&ProjectId::generate(), &run.id, 1).await.unwrap().is_none());
}

#[tokio::test]
async fn every_error_is_kept_and_successes_up_to_the_rate_and_the_rest_is_counted() {
    let config = RunLogConfig { project_runs_per_second: 20, ..RunLogConfig::default() };
    let fixture = Fixture::at(config, 1_800_000_000_000).await;
    for _ in 0..50 {
        fixture.log.record(fixture.run());
        fixture.log.record(fixture.failed("timeout"));
    }
    // Another project has a rate of its own.
    let other = ProjectId::generate();
    fixture.log.record(Run { project: other.clone(), ..fixture.run() });
    let ok = RunQuery { status: Some(RunStatus::Ok), ..some_runs(1_000) };
    assert_eq!(fixture.run_ids(ok).await.len(), 20);
    let failed = RunQuery { status: Some(RunStatus::Error), ..some_runs(1_000) };
    assert_eq!(fixture.run_ids(failed).await.len(), 50);
    assert_eq!(fixture.log.losses(&fixture.project, None).runs_sampled_out, 30);
    assert_eq!(fixture.log.runs(&other, some_runs(10)).await.unwrap().runs.len(), 1);
    assert_eq!(fixture.log.dropped_runs(), 0);
}

#[tokio::test]
async fn errors_find_room_where_successes_do_not() {
    let fixture = Fixture::new(RunLogConfig { buffer_lines_max: 16, ..RunLogConfig::default() }).await;
    // Of 16 places 12 are for successes, half of them for one project; errors may have half of all.
    for _ in 0..20 {
        fixture.log.record(fixture.run());
    }
    assert_eq!(fixture.log.losses(&fixture.project, None).runs_dropped, 14);
    for _ in 0..20 {
        fixture.log.record(fixture.failed("timeout"));
    }
    let failed = RunQuery { status: Some(RunStatus::Error), ..some_runs(100) };
    assert_eq!(fixture.run_ids(failed).await.len(), 2);
    assert_eq!(fixture.log.dropped_runs(), 14 + 18);
}
