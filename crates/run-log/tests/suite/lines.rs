//! Lines: order, filters, cursors, separation, bounds, purge.

use crate::support::{Fixture, messages, newest};
use run_log::{FieldFilter, Level, LogLine, LogQuery, Order, RunLogConfig, RunLogError};
use service_kit::error::{Classify as _, ErrorCode};
use service_kit::ids::{FunctionId, ProjectId};

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
    let now = fixture.now_ms();
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
    // A quarter is for errors, and a project has no more than it leaves free.
    assert_eq!(fixture.log.dropped(), 8);
    assert_eq!(fixture.query(newest(100)).await.lines.len(), 2);
    fixture.log.write(fixture.line("room again"));
    assert_eq!(messages(&fixture.query(newest(1)).await), ["room again"]);
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

#[tokio::test]
async fn pages_go_through_the_log_in_both_directions() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let all: Vec<String> = (0..25).map(|number| number.to_string()).collect();
    all.iter().for_each(|message| fixture.log.write(fixture.line(message)));
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let (mut seen, mut wanted) = (Vec::new(), LogQuery { order, ..newest(10) });
        loop {
            let page = fixture.query(wanted.clone()).await;
            seen.extend(messages(&page).into_iter().map(str::to_owned));
            match order {
                Order::NewestFirst => wanted.before = page.next,
                Order::OldestFirst | Order::Latest => wanted.after = page.next,
            }
            if !page.more {
                break;
            }
        }
        if order == Order::NewestFirst {
            seen.reverse();
        }
        assert_eq!(seen, all, "{order:?}");
    }
}

#[tokio::test]
async fn filters_choose_by_text_version_and_fields() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let with =
        |message: &str, fields: &str| LogLine { fields: Some(fields.to_owned()), ..fixture.line(message) };
    fixture.log.write(with("Order 100% paid", r#"{"user": {"id": 7}, "ok": true, "name": "Ada \"L\""}"#));
    fixture.log.write(with("order_lost", r#"{"user": {"id": "7"}, "ok": false}"#));
    fixture.log.write(LogLine { version: "v2".into(), ..fixture.line("nothing") });
    let found = async |wanted: LogQuery| messages(&fixture.query(wanted).await).join(", ");
    let text = |text: &str| LogQuery { text: Some(text.to_owned()), ..newest(10) };
    assert_eq!(found(text("ORDER")).await, "Order 100% paid, order_lost");
    assert_eq!(found(text("0% ")).await, "Order 100% paid");
    assert_eq!(found(text("r_l")).await, "order_lost");
    assert_eq!(found(text("\\")).await, "");
    assert_eq!(found(LogQuery { version: Some("v2".into()), ..newest(10) }).await, "nothing");
    let field = |path: &[&str], value: &str| {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        LogQuery { fields: vec![FieldFilter { path, value: value.to_owned() }], ..newest(10) }
    };
    assert_eq!(found(field(&["user", "id"], "7")).await, "Order 100% paid, order_lost");
    assert_eq!(found(field(&["ok"], "true")).await, "Order 100% paid");
    assert_eq!(found(field(&["name"], "Ada \"L\"")).await, "Order 100% paid");
    assert_eq!(found(field(&["missing"], "null")).await, "");
}

#[tokio::test]
async fn filters_that_cannot_be_asked_are_refused() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let filter = |name: &str| FieldFilter { path: vec![name.to_owned()], value: String::new() };
    let queries = [
        LogQuery { fields: vec![filter("a\"b")], ..newest(1) },
        LogQuery { fields: vec![filter("")], ..newest(1) },
        LogQuery { fields: vec![filter(&"x".repeat(101))], ..newest(1) },
        LogQuery { fields: vec![FieldFilter { path: Vec::new(), value: String::new() }], ..newest(1) },
        LogQuery { fields: vec![filter("a"); 9], ..newest(1) },
        LogQuery { text: Some("x".repeat(1_025)), ..newest(1) },
    ];
    for wanted in queries {
        let error = fixture.log.query(&fixture.project, &fixture.function, wanted).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest, "{error}");
    }
}

#[tokio::test]
async fn a_query_looks_at_so_many_lines_and_says_where_to_go_on() {
    let config = RunLogConfig { query_scan_max: 10, ..RunLogConfig::default() };
    let fixture = Fixture::new(config).await;
    for number in 0..35 {
        fixture.log.write(fixture.line(if number == 2 { "needle" } else { "hay" }));
    }
    let needle = LogQuery { text: Some("needle".to_owned()), order: Order::NewestFirst, ..newest(1) };
    let (mut pages, mut before) = (0, None);
    let found = loop {
        let page = fixture.query(LogQuery { before, ..needle.clone() }).await;
        (pages, before) = (pages + 1, page.next);
        if !page.lines.is_empty() || !page.more {
            break page;
        }
    };
    assert_eq!((messages(&found), pages), (vec!["needle"], 4));
    // A follower that finds nothing does not look at the same lines again.
    let nothing = LogQuery { text: Some("absent".to_owned()), after: Some(0), ..newest(5) };
    let first = fixture.query(nothing.clone()).await;
    assert_eq!((first.lines.len(), first.more), (0, true));
    let second = fixture.query(LogQuery { after: first.next, ..nothing }).await;
    assert_eq!(second.next.unwrap() - first.next.unwrap(), 10);
}

#[tokio::test]
async fn a_project_is_asked_about_all_its_functions() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let other = FunctionId::generate();
    fixture.log.write(fixture.line("one"));
    fixture.log.write(LogLine { function: other.clone(), ..fixture.line("two") });
    fixture.log.write(LogLine { project: ProjectId::generate(), ..fixture.line("foreign") });
    let page = fixture.log.query_project(&fixture.project, newest(10)).await.unwrap();
    assert_eq!(messages(&page), ["one", "two"]);
    assert_eq!(page.lines[1].function, other.as_str());
}

#[tokio::test]
async fn what_is_lost_is_counted_for_each_function() {
    let fixture = Fixture::new(RunLogConfig { buffer_lines_max: 4, ..RunLogConfig::default() }).await;
    let other = FunctionId::generate();
    for _ in 0..5 {
        fixture.log.write(fixture.line("x"));
    }
    fixture.log.write(LogLine { function: other.clone(), ..fixture.line("x") });
    let lost = |function| fixture.log.losses(&fixture.project, function).lines_dropped;
    assert_eq!((lost(Some(&fixture.function)), lost(Some(&other)), lost(None)), (3, 1, 4));
    assert_eq!(fixture.log.losses(&ProjectId::generate(), None).lines_dropped, 0);
}

#[tokio::test]
async fn fields_that_are_too_large_are_left_out_and_long_messages_are_cut() {
    let config = RunLogConfig { fields_bytes_max: 20, message_bytes_max: 10, ..RunLogConfig::default() };
    let fixture = Fixture::new(config).await;
    let fields = Some(format!("{{\"a\": \"{}\"}}", "x".repeat(50)));
    fixture.log.write(LogLine { fields, ..fixture.line(&"y".repeat(5_000)) });
    let page = fixture.query(newest(1)).await;
    assert_eq!(page.lines[0].message, "yyyyyyyyyy… [4990 bytes cut]");
    assert!(page.lines[0].fields.as_ref().unwrap().contains("\"cut\":\"59 bytes"), "{page:?}");
}

#[tokio::test]
async fn a_closed_log_takes_and_answers_nothing() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    let mut follower = fixture.log.follow(&fixture.function);
    follower.mark_unchanged();
    fixture.log.close().await;
    fixture.log.write(fixture.line("too late"));
    fixture.log.record(fixture.run());
    assert_eq!((fixture.log.dropped(), fixture.log.dropped_runs()), (1, 1));
    let asked = fixture.log.query(&fixture.project, &fixture.function, newest(1)).await;
    assert!(matches!(asked, Err(RunLogError::Closed)));
    assert!(follower.changed().await.is_err());
}
