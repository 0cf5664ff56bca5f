//! The concurrency suite: 10,000 calls, 200 of them in flight, while versions are deployed, taken back and share the
//! calls, and workers are killed. Each call is answered once, from its own request, by a version that was live
//! meanwhile, and its handler ran once. Only calls that had begun on a killed worker are lost.

use crate::support::{Call, Server, config};
use functions::FunctionsConfig;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const CALLS: usize = 10_000;
const IN_FLIGHT: usize = 200;
/// Calls at once in one worker.
const MAX_CONCURRENCY: u64 = 25;
/// The worker that gave every so-manieth answer is killed.
const ANSWERS_PER_KILL: usize = 250;
/// Deployments, each followed by a rollback and a split.
const ROUNDS: usize = 6;

/// Says over the channel that it runs; answers with the request's body, whole or in pieces.
const SOURCE: &str = r#"
    const channel = (globalThis as any)[Symbol.for("bunbase.channel")];
    export default async (req: Request) => {
        const nonce = req.headers.get("x-nonce") ?? "";
        await channel.fetch({ method: "POST", path: `/ran/${nonce}` });
        await new Promise((done) => setTimeout(done, Math.random() * 5));
        const text = await req.text();
        const headers = { "x-nonce": nonce, "x-version": "VERSION", "x-pid": String(process.pid) };
        if (new URL(req.url).pathname === "/whole") return new Response(text, { headers });
        const pieces = async function* () {
            yield text.slice(0, 5);
            await new Promise((done) => setTimeout(done, 1));
            yield text.slice(5);
        };
        return new Response(pieces() as any, { headers });
    };"#;

/// Which versions may answer, since when. While that changes, those before and those after.
#[derive(Default)]
struct Timeline(Mutex<Vec<(Instant, BTreeSet<String>)>>);

impl Timeline {
    fn begin(&self, versions: BTreeSet<String>) {
        self.0.lock().unwrap().push((Instant::now(), versions));
    }

    fn now(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().last().unwrap().1.clone()
    }

    fn was_live(&self, version: &str, from: Instant, until: Instant) -> bool {
        let spans = self.0.lock().unwrap();
        let ends = spans.iter().skip(1).map(|(begin, _)| *begin).chain([until]);
        let met = spans.iter().zip(ends).filter(|((begin, _), end)| *begin <= until && *end >= from);
        met.into_iter().any(|((_, versions), _)| versions.contains(version))
    }
}

#[derive(Debug)]
enum Outcome {
    /// With the version that gave it.
    Answered(String),
    /// Its worker ended, before or in the middle of the answer.
    Lost,
}

struct World {
    server: Server,
    timeline: Timeline,
    next: AtomicUsize,
    plan_is_done: AtomicBool,
    answers: AtomicUsize,
    kills: AtomicUsize,
}

impl World {
    /// One caller of many: one call after the other.
    async fn call_on(self: Arc<Self>) -> Vec<(usize, Outcome)> {
        let mut outcomes = Vec::new();
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= CALLS && self.plan_is_done.load(Ordering::SeqCst) {
                return outcomes;
            }
            outcomes.push((number, self.call(number).await));
        }
    }

    async fn call(&self, number: usize) -> Outcome {
        // Some bodies are larger than what a worker is sent, and sends, in one piece.
        let length = if number.is_multiple_of(100) { 300_000 } else { 10 };
        let text = format!("{number}:{}", "x".repeat(length));
        let path = if number.is_multiple_of(2) { "whole" } else { "pieces" };
        let from = Instant::now();
        let call = Call::post(&format!("/v1/functions/f/{path}"), text.as_bytes());
        let call = call.key("pk_a").header("x-nonce", &number.to_string());
        let (parts, body) = self.server.front.call(call.build()).await.into_parts();
        let (body, until) = (body.collect().await, Instant::now());
        if parts.status != StatusCode::OK {
            let error: Value = serde_json::from_slice(&body.unwrap().to_bytes()).unwrap();
            assert_eq!((parts.status.as_u16(), &error["error"]["code"]), (502, &"worker_crashed".into()));
            return Outcome::Lost;
        }
        assert_eq!(header(&parts.headers, "x-nonce"), number.to_string());
        let Ok(body) = body else { return Outcome::Lost };
        assert!(body.to_bytes() == text, "call {number} has the answer of another");
        let version = header(&parts.headers, "x-version");
        assert!(self.timeline.was_live(version, from, until), "{version} answered call {number}");
        self.answered(header(&parts.headers, "x-pid").parse().unwrap());
        Outcome::Answered(version.to_owned())
    }

    /// Counts an answer, and sometimes kills the worker that gave it.
    fn answered(&self, pid: i32) {
        let count = self.answers.fetch_add(1, Ordering::SeqCst) + 1;
        if count.is_multiple_of(ANSWERS_PER_KILL) && is_child(pid) {
            kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
            self.kills.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Changes what is live, and tells the timeline before and after.
    async fn change(&self, versions: &[&str], (method, tail): (Method, &str), body: Value) {
        let after: BTreeSet<String> = versions.iter().map(|version| (*version).to_owned()).collect();
        self.timeline.begin(&self.timeline.now() | &after);
        let answer = self.server.manage(method, tail, Some(body)).await;
        assert!(answer.status.is_success(), "{answer:?}");
        self.timeline.begin(after);
    }

    async fn deploy(&self, version: &str) {
        let source = SOURCE.replace("VERSION", version);
        let body = crate::support::deployment("f", &source, json!({ "version": version }));
        self.change(&[version], (Method::POST, ""), body).await;
    }

    async fn carry_out_the_plan(&self) {
        for round in 1..=ROUNDS {
            let (new, old) = (format!("v{round}"), format!("v{}", round - 1));
            self.deploy(&new).await;
            self.change(&[&old], (Method::POST, "/f/rollback"), json!({ "version": old })).await;
            let shares = json!([{ "version": old, "weight": 1 }, { "version": new, "weight": 2 }]);
            self.change(&[&old, &new], (Method::PUT, "/f/traffic"), json!({ "versions": shares })).await;
        }
        self.plan_is_done.store(true, Ordering::SeqCst);
    }

    /// How often the handler of each call ran.
    fn runs(&self) -> HashMap<usize, usize> {
        let mut runs = HashMap::new();
        for path in self.server.asked.lock().unwrap().iter() {
            if let Some(number) = path.strip_prefix("/ran/") {
                *runs.entry(number.parse().unwrap()).or_default() += 1;
            }
        }
        runs
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().unwrap()
}

/// Whether a process is one of ours, so that nobody else's is killed after it has ended.
fn is_child(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    behind_name.split_whitespace().nth(1) == Some(&std::process::id().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_once_while_versions_change_and_workers_are_killed() {
    let limits = FunctionsConfig { max_workers: 4, max_concurrency: MAX_CONCURRENCY, ..config() };
    let world = Arc::new(World {
        server: Server::start_with(limits).await,
        timeline: Timeline::default(),
        next: AtomicUsize::new(0),
        plan_is_done: AtomicBool::new(false),
        answers: AtomicUsize::new(0),
        kills: AtomicUsize::new(0),
    });
    world.timeline.begin(BTreeSet::new());
    world.deploy("v0").await;
    let callers: Vec<_> = (0..IN_FLIGHT).map(|_| tokio::spawn(world.clone().call_on())).collect();
    world.carry_out_the_plan().await;
    let mut outcomes = HashMap::new();
    for caller in callers {
        outcomes.extend(caller.await.unwrap());
    }
    check(&world, &outcomes);
    world.server.stop().await;
}

fn check(world: &World, outcomes: &HashMap<usize, Outcome>) {
    assert!(outcomes.len() >= CALLS);
    let (runs, kills) = (world.runs(), world.kills.load(Ordering::SeqCst));
    let mut lost = 0;
    let mut versions = BTreeSet::new();
    for (number, outcome) in outcomes {
        let ran = runs.get(number).copied().unwrap_or_default();
        match outcome {
            Outcome::Answered(version) => {
                assert_eq!(ran, 1, "call {number} ran {ran} times");
                versions.insert(version.as_str());
            }
            // It may have ended before it could say that it runs.
            Outcome::Lost => {
                assert!(ran <= 1, "the lost call {number} was repeated");
                lost += 1;
            }
        }
    }
    let bound = kills * usize::try_from(MAX_CONCURRENCY).unwrap();
    assert!(kills >= CALLS / ANSWERS_PER_KILL / 2, "only {kills} workers were killed");
    assert!(lost > 0 && lost <= bound, "{lost} calls were lost to {kills} kills");
    assert!(versions.len() > ROUNDS / 2, "only {versions:?} answered");
}
