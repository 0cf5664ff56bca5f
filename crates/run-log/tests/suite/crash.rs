//! `kill -9`: this test runs itself as a child that writes, flushes, and prints what was written by then; the
//! parent kills it, opens the log and looks for every line. `BUNBASE_CRASH_ROUNDS` sets the number of rounds.

use crate::support::{Fixture, messages, newest};
use run_log::{ChartWindow, Level, LogLine, LogQuery, Order, RunLog, RunLogConfig};
use service_kit::clock::now_ms;
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const CHILD: &str = "BUNBASE_LOG_CRASH_CHILD";
const PROJECT: &str = "prj_0123456789abcdef0123456789abcdef";
const FUNCTION: &str = "fun_0123456789abcdef0123456789abcdef";

fn config() -> RunLogConfig {
    RunLogConfig { file_bytes_max: 4_096, query_lines_max: 1_000_000, ..RunLogConfig::default() }
}

fn owner() -> (ProjectId, FunctionId) {
    (ProjectId::parse(PROJECT).unwrap(), FunctionId::parse(FUNCTION).unwrap())
}

async fn child(path: &Path, round: &str) {
    let log = RunLog::open(path, config()).await.unwrap();
    let (project, function) = owner();
    for step in 0.. {
        for part in 0..20 {
            log.write(LogLine {
                project: project.clone(),
                function: function.clone(),
                version: "v1".into(),
                invocation_id: None,
                level: Level::Info,
                message: format!("r{round}s{step}p{part}"),
                fields: Some("{\"some\": \"fields\"}".to_owned()),
                at_ms: now_ms(),
            });
        }
        log.flush().await.unwrap();
        std::io::stdout().lock().write_all(format!("written {step}\n").as_bytes()).unwrap();
    }
}

/// Runs a child for a while; returns how many steps it said were written.
fn crash(path: &Path, round: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::what_was_flushed_survives_a_kill", "--nocapture"])
        .env(CHILD, format!("{round} {}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut written =
        lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("written ")?.parse::<u64>().ok());
    let first = written.next().expect("the child ended before it wrote");
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || written.last());
        // Nobody sends: a wait that nothing ends early.
        let (_sender, nobody) = std::sync::mpsc::channel::<()>();
        let _ = nobody.recv_timeout(Duration::from_millis(20 + 37 * round % 150));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap().unwrap_or(first) + 1
    })
}

#[tokio::test]
async fn what_was_flushed_survives_a_kill() {
    if let Ok(task) = std::env::var(CHILD) {
        let (round, path) = task.split_once(' ').unwrap();
        return child(Path::new(path), round).await;
    }
    let rounds = std::env::var("BUNBASE_CRASH_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let (project, function) = owner();
    for round in 0..rounds {
        let steps = crash(directory.path(), round);
        let log = RunLog::open(directory.path(), config()).await.unwrap();
        let wanted = LogQuery { order: Order::OldestFirst, limit: 1_000_000, ..LogQuery::default() };
        let page = log.query(&project, &function, wanted).await.unwrap();
        let found: HashSet<&str> = messages(&page).into_iter().collect();
        for step in 0..steps {
            for part in 0..20 {
                let message = format!("r{round}s{step}p{part}");
                assert!(found.contains(message.as_str()), "{message}");
            }
        }
        log.chart(&project, &function, ChartWindow::Hour).await.unwrap();
        log.close().await;
        for entry in std::fs::read_dir(directory.path().join("logs")).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'));
            text.lines().for_each(|line| drop(serde_json::from_str::<serde_json::Value>(line).unwrap()));
        }
    }
}

#[tokio::test]
async fn a_torn_line_is_cut_off_and_said() {
    let fixture = Fixture::new(RunLogConfig::default()).await;
    fixture.log.write(fixture.line("whole"));
    fixture.log.close().await;
    let path = fixture.directory.path().join("logs").join(&fixture.files()[0]);
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{}", &whole[..whole.len() / 2])).unwrap();
    let again = fixture.again(RunLogConfig::default()).await;
    assert_eq!(again.log.torn_lines(), 1);
    assert_eq!(again.text_of_files(), whole);
    assert_eq!(messages(&again.query(newest(10)).await), ["whole"]);
}
