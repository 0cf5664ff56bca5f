//! Redaction: no secret reaches the database, the files, the answers.

use crate::support::{Fixture, newest, some_runs};
use run_log::{LogLine, Run, RunError, RunLogConfig, RunStatus, RunTrace, SpanKind, Spans};

const SECRET: &str = "s3cret-/\"value";

/// Every byte that the log has on disk.
fn everything(fixture: &Fixture) -> String {
    let database = ["logs.db", "logs.db-wal"].map(|name| fixture.directory.path().join(name));
    let bytes = database.iter().map(|path| std::fs::read(path).unwrap_or_default());
    let text: String = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    text + &fixture.text_of_files()
}

#[tokio::test]
async fn values_of_secrets_are_nowhere_on_disk() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    fixture.log.redact(&fixture.project, &fixture.function, vec![SECRET.into(), "old-secret".into()]);
    let spans = Spans::of(RunTrace::root(true).context);
    drop(spans.begin(SpanKind::Port, format!("GET /{SECRET}")));
    let fields = serde_json::json!({ "deep": [{ "text": format!("a {SECRET} b") }], "password": "hunter22" });
    fixture
        .log
        .write(LogLine { fields: Some(fields.to_string()), ..fixture.line(&format!("key={SECRET}!")) });
    let error = RunError { code: "handler_error".into(), message: format!("bad key {SECRET}") };
    let trace = RunTrace::root(true);
    let run =
        Run { status: RunStatus::Error, error: Some(error), spans: spans.take().0, trace, ..fixture.run() };
    fixture.log.record(run);
    let line = fixture.query(newest(1)).await.lines.remove(0);
    assert_eq!(line.message, "key=[redacted]!");
    let expected = r#"{"deep":[{"text":"a [redacted] b"}],"password":"[redacted]"}"#;
    assert_eq!(line.fields.as_deref(), Some(expected));
    let run = fixture.log.runs(&fixture.project, some_runs(1)).await.unwrap().runs.remove(0);
    assert_eq!(run.error.unwrap().message, "bad key [redacted]");
    assert_eq!(run.spans[0].name, "GET /[redacted]");
    let traces = fixture.log.traces(&fixture.project, None, 1).await.unwrap();
    assert!(!format!("{traces:?}").contains("s3cret"));
    let everything = everything(&fixture);
    assert!(everything.contains("[redacted]"));
    assert!(!everything.contains("s3cret") && !everything.contains("hunter22"));
}

#[tokio::test]
async fn secrets_are_of_one_function_and_hold_for_what_was_written_under_them() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let other = service_kit::ids::FunctionId::generate();
    fixture.log.redact(&fixture.project, &fixture.function, vec!["first-secret".into()]);
    fixture.log.write(fixture.line("first-secret"));
    fixture.log.redact(&fixture.project, &fixture.function, vec!["second-secret".into()]);
    fixture.log.redact(&fixture.project, &fixture.function, vec!["third-secret".into()]);
    fixture.log.write(fixture.line("first-secret second-secret third-secret"));
    fixture.log.write(LogLine { function: other, ..fixture.line("third-secret") });
    let page = fixture.log.query_project(&fixture.project, newest(10)).await.unwrap();
    let expected = ["[redacted]", "first-secret [redacted] [redacted]", "third-secret"];
    assert_eq!(crate::support::messages(&page), expected);
}

#[tokio::test]
async fn a_secret_at_the_end_of_a_cut_message_is_not_left_in_part() {
    let config = RunLogConfig { message_bytes_max: 100, ..RunLogConfig::default() };
    let fixture = Fixture::new(config).await;
    fixture.log.redact(&fixture.project, &fixture.function, vec!["QRSTUVWXQRSTUVWX".into()]);
    for before in 85..100 {
        fixture.log.write(fixture.line(&format!(
            "{}QRSTUVWXQRSTUVWX{}",
            "x".repeat(before),
            "y".repeat(5_000)
        )));
    }
    let page = fixture.query(newest(100)).await;
    assert_eq!(page.lines.len(), 15);
    for line in page.lines {
        assert!(!line.message.contains('Q'), "{}", line.message);
    }
}
