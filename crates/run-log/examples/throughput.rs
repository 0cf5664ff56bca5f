//! What writing costs a call, and how much is kept at full speed: 200,000 lines and runs as fast as one thread
//! gives them, with redaction on, and the same at 2,000 runs a second from each of four projects.
//! `cargo run --release -p run-log --example throughput [lines]`

#![allow(clippy::unwrap_used)] // A measurement that cannot go on ends.

use run_log::{
    Level, LogLine, Run, RunError, RunLog, RunLogConfig, RunStatus, RunTrace, SpanKind, Spans, Trigger,
};
use service_kit::clock::now_ms;
use service_kit::ids::{FunctionId, InvocationId, ProjectId};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Owner {
    project: ProjectId,
    function: FunctionId,
    version: Arc<str>,
}

impl Owner {
    fn new(log: &RunLog) -> Self {
        let owner =
            Self { project: ProjectId::generate(), function: FunctionId::generate(), version: "v1".into() };
        log.redact(&owner.project, &owner.function, vec!["a-secret-value".into(), "another-secret".into()]);
        owner
    }

    fn line(&self, invocation_id: &Arc<str>) -> LogLine {
        LogLine {
            project: self.project.clone(),
            function: self.function.clone(),
            version: self.version.clone(),
            invocation_id: Some(invocation_id.clone()),
            level: Level::Info,
            message: "a message as functions write them, about eighty bytes, with a-secret-value".to_owned(),
            fields: None,
            at_ms: now_ms(),
        }
    }

    fn run(&self, trace: RunTrace) -> Run {
        Run {
            id: InvocationId::generate().as_str().into(),
            project: self.project.clone(),
            function: self.function.clone(),
            version: self.version.clone(),
            handler: None,
            trigger: Trigger::Http,
            status: RunStatus::Ok,
            http_status: Some(200),
            started_at_ms: now_ms(),
            duration_us: 800,
            queue_wait_us: 5,
            cold_start_us: None,
            attempt: 1,
            trace,
            spans: Vec::new(),
            error: None,
            parent_id: None,
            input: None,
            output: None,
        }
    }
}

/// Makes everything first, so that only the call of the log is measured; returns nanoseconds of one.
fn nanos_each<T>(items: Vec<T>, mut give: impl FnMut(T)) -> f64 {
    let (count, started) = (items.len(), Instant::now());
    items.into_iter().for_each(&mut give);
    started.elapsed().as_nanos() as f64 / count as f64
}

fn failed(run: Run) -> Run {
    let error = RunError { code: "timeout".into(), message: "the call took too long".to_owned() };
    Run { status: RunStatus::Error, error: Some(error), ..run }
}

fn print(name: &str, given: usize, ns: f64, lost: u64) {
    let kept = given as u64 - lost;
    println!("{name:<28} {given:>8} given {ns:>7.0} ns each {kept:>8} recorded {lost:>8} not kept");
}

/// Waits until the buffer is written, and says how fast that went.
async fn written(log: &RunLog, kept: u64) {
    let started = Instant::now();
    log.flush().await.unwrap();
    println!("{:<28} {:>8.0} written a second", "", kept as f64 / started.elapsed().as_secs_f64());
}

/// As fast as one thread gives them: more than any disk takes.
async fn at_full_speed(log: &RunLog, count: usize) {
    let owner = Owner::new(log);
    let id: Arc<str> = InvocationId::generate().as_str().into();
    let lines = (0..count).map(|_| owner.line(&id)).collect();
    let ns = nanos_each(lines, |line| log.write(line));
    let lost = log.losses(&owner.project, None).lines_dropped;
    print("lines", count, ns, lost);
    written(log, count as u64 - lost).await;
    let owner = Owner::new(log);
    let runs = (0..count).map(|_| owner.run(RunTrace::root(false))).collect();
    let ns = nanos_each(runs, |run| log.record(run));
    log.flush().await.unwrap();
    let losses = log.losses(&owner.project, None);
    print("successful runs", count, ns, losses.runs_dropped + losses.runs_sampled_out);
    let owner = Owner::new(log);
    let runs = (0..count).map(|_| failed(owner.run(RunTrace::root(false)))).collect();
    let ns = nanos_each(runs, |run| log.record(run));
    let lost = log.losses(&owner.project, None).runs_dropped;
    print("failed runs", count, ns, lost);
    written(log, count as u64 - lost).await;
    let traced = (0..count.min(20_000)).map(|_| {
        let trace = RunTrace::root(true);
        let spans = Spans::of(trace.context);
        (0..3).for_each(|_| drop(spans.begin(SpanKind::Port, "documents.find")));
        spans
    });
    let started = Instant::now();
    let traced = traced.count();
    let ns = started.elapsed().as_nanos() as f64 / traced as f64;
    println!("{:<28} {traced:>8} given {ns:>7.0} ns each", "three spans of a run");
}

/// Four projects with 2,000 runs and 2,000 lines a second each, for three seconds.
async fn at_the_promised_rate(log: &RunLog) {
    let owners: Vec<Owner> = (0..4).map(|_| Owner::new(log)).collect();
    let (mut given, mut nanos) = (0, 0.0);
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..300 {
        ticks.tick().await;
        for owner in &owners {
            let runs: Vec<Run> = (0..20).map(|_| owner.run(RunTrace::root(false))).collect();
            let lines: Vec<LogLine> = runs.iter().map(|run| owner.line(&run.id)).collect();
            given += runs.len();
            nanos += nanos_each(runs, |run| log.record(run)) * 20.0;
            nanos += nanos_each(lines, |line| log.write(line)) * 20.0;
        }
    }
    log.flush().await.unwrap();
    let losses: Vec<_> = owners.iter().map(|owner| log.losses(&owner.project, None)).collect();
    let runs = losses.iter().map(|losses| losses.runs_dropped + losses.runs_sampled_out).sum();
    let lines = losses.iter().map(|losses| losses.lines_dropped).sum();
    let ns = nanos / (2 * given) as f64;
    print("runs, 4 projects, 2,000/s", given, ns, runs);
    print("lines, 4 projects, 2,000/s", given, ns, lines);
}

#[tokio::main]
async fn main() {
    let count = std::env::args().nth(1).map_or(200_000, |count| count.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let log = RunLog::open(directory.path(), RunLogConfig::default()).await.unwrap();
    // On a thread of its own, as calls are: the writer runs beside it.
    let work = {
        let log = log.clone();
        tokio::spawn(async move {
            at_full_speed(&log, count).await;
            at_the_promised_rate(&log).await;
        })
    };
    work.await.unwrap();
    log.close().await;
}
