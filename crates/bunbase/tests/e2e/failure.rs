//! The failure suite: whatever a function does wrong, its caller gets a status and a code that say what it was, its
//! next call works, and another function of the same server goes on in the process that it had.

use crate::client::{Answer, Client, Project};
use crate::server::{Data, Server};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One kind of accident for each path; else the id of the process.
const ACCIDENTS: &str = r#"
    import { dlopen } from "bun:ffi";
    import { execFileSync } from "node:child_process";
    const kept: unknown[] = [];
    const never = () => new Promise<Response>(() => {});
    const turn = () => new Promise((done) => setTimeout(done));

    async function openSockets() {
      const socket = { data() {}, error() {} };
      const { port } = Bun.listen({ hostname: "127.0.0.1", port: 0, socket });
      for (let at = 0; at < 10_000; at += 1) kept.push(await Bun.connect({ hostname: "127.0.0.1", port, socket }));
      return new Response("opened");
    }

    const accidents: Record<string, () => Response | Promise<Response>> = {
      "/loop": () => { for (;;); },
      "/loop-in-timer": async () => { await turn(); for (;;); },
      "/memory": async () => { for (;;) { kept.push(new Uint8Array(4 << 20).fill(1)); await turn(); } },
      "/child": () => new Response(execFileSync("/bin/true")),
      "/forks": () => {
        const { symbols } = dlopen("libc.so.6", { fork: { args: [], returns: "i32" } });
        const pids = new Set<number>();
        for (let at = 0; at < 1000; at += 1) pids.add(symbols.fork());
        return Response.json([...pids]);
      },
      "/exit": () => process.exit(1),
      "/timer": () => { setTimeout(() => { throw new Error("in a timer"); }); return never(); },
      "/rejection": () => { setTimeout(() => { Promise.reject(new Error("of nobody")); }); return never(); },
      "/sockets": openSockets,
      "/log": () => {
        const line = "x".repeat(16_000);
        for (let at = 0; at < 65_536; at += 1) console.log(line);
        return new Response("logged");
      },
    };
    export default (req: Request) => accidents[new URL(req.url).pathname]?.() ?? new Response(String(process.pid));"#;
const PID: &str = "export default () => new Response(String(process.pid))";
/// What may be kept on disk of a log of 1 GB.
const LOG_BYTES_MAX: u64 = 100 << 20;

struct World {
    data: Data,
    server: Server,
    ada: Client,
    project: Project,
    caller: Client,
    neighbour: Neighbour,
}

/// Another function, called all the time.
struct Neighbour {
    stop: Arc<AtomicBool>,
    calls: tokio::task::JoinHandle<usize>,
}

impl Neighbour {
    async fn call(caller: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (caller, stopped) = (caller.clone(), stop.clone());
        let pid = caller.get("/v1/functions/beside").await.expect(200);
        let calls = tokio::spawn(async move {
            let mut count = 0;
            while !stopped.load(Ordering::SeqCst) {
                assert_eq!(caller.get("/v1/functions/beside").await.expect(200), pid);
                count += 1;
            }
            count
        });
        Self { stop, calls }
    }
}

impl World {
    async fn start() -> Self {
        let data = Data::new();
        let server = Server::start(&data).await;
        let ada = server.client().set_up().await;
        let project = ada.project("one").await;
        let caller = server.client().with_key(&project.public_key);
        ada.deploy(&project, "f", "v1", ACCIDENTS).await.expect(201);
        ada.deploy(&project, "beside", "v1", PID).await.expect(201);
        let neighbour = Neighbour::call(&caller).await;
        let world = Self { data, server, ada, project, caller, neighbour };
        world.set(json!({ "max_workers": 1 })).await;
        world
    }

    fn function(&self) -> String {
        format!("/v1/projects/{}/functions/f", self.project.id)
    }

    async fn set(&self, settings: Value) {
        self.ada.patch(&self.function(), settings).await.expect(200);
    }

    /// Lets it happen; the answer.
    async fn accident(&self, path: &str) -> Answer {
        self.caller.get(&format!("/v1/functions/f{path}")).await
    }

    /// The process that answers now.
    async fn pid(&self) -> i64 {
        self.accident("/").await.expect(200).as_i64().unwrap()
    }

    /// The lines of the function that contain `text`.
    async fn lines(&self, text: &str) -> Vec<Value> {
        let path = format!("{}/logs?text={text}&limit=10", self.function());
        self.ada.get(&path).await.expect(200)["logs"].as_array().unwrap().clone()
    }

    async fn end(self) {
        self.neighbour.stop.store(true, Ordering::SeqCst);
        let calls = self.neighbour.calls.await.expect("the function beside answers, from the same process");
        assert!(calls > 0);
        let (status, _) = self.server.stop().await;
        assert!(status.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accident_is_told_to_its_caller_and_to_nobody_else() {
    let world = World::start().await;
    for (path, status, code) in [
        ("/child", 500, "handler_error"),
        ("/exit", 502, "worker_crashed"),
        ("/timer", 502, "worker_crashed"),
        ("/rejection", 502, "worker_crashed"),
        ("/memory", 502, "memory_limit"),
        ("/sockets", 500, "handler_error"),
    ] {
        world.accident(path).await.expect_error(status, code);
        world.pid().await;
    }
    for told in ["ProcessRefused", "in a timer", "of nobody"] {
        assert!(!world.lines(told).await.is_empty(), "{told}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_is_stopped_in_time() {
    let world = World::start().await;
    world.set(json!({ "execution_timeout_ms": 500 })).await;
    let pid = world.pid().await;
    world.accident("/loop").await.expect_error(504, "timeout");
    assert_eq!(world.pid().await, pid, "it was stopped where it was");
    world.accident("/loop-in-timer").await.expect_error(504, "timeout");
    assert_ne!(world.pid().await, pid, "its process was ended");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_bomb_gets_no_process() {
    let world = World::start().await;
    let pid = world.pid().await;
    assert_eq!(world.accident("/forks").await.expect(200), json!([-1]));
    assert_eq!(world.pid().await, pid);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    assert_eq!(children, "");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_on_import_leaves_the_version_before() {
    let world = World::start().await;
    let pid = world.pid().await;
    for (version, source) in [("v2", "throw new Error('on import')"), ("v3", "process.exit(3)")] {
        let refused = world.ada.deploy(&world.project, "f", version, source).await;
        refused.expect_error(400, "invalid_bundle");
    }
    assert_eq!(world.pid().await, pid);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_log_is_cut_and_counted() {
    let world = World::start().await;
    assert_eq!(world.accident("/log").await.expect(200), "logged");
    world.pid().await;
    let metrics = world.caller.stranger().get("/metrics").await.expect(200);
    let dropped = counter(metrics.as_str().unwrap(), "bunbase_worker_log_lines_dropped_total");
    assert!(dropped > 0.0, "{metrics}");
    let kept = bytes_below(&world.data.path());
    assert!(kept < LOG_BYTES_MAX, "{kept} bytes are on the disk");
    world.end().await;
}

/// The sum of a counter over its labels.
fn counter(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn bytes_below(directory: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        found => found.map_or(0, |found| found.len()),
    });
    sizes.sum()
}
