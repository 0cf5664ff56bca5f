//! How many calls a second go through the frames: hello JSON, no HTTP, `hot [in flight] [seconds] [max workers]`.
//! Prints calls per second and the processor time of both sides per call.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use worker_pool::{
    BunBinary, CalledHandler, Host, InvokeRequest, PoolConfig, PortCall, PortReply, RequestBody,
    VersionSettings, VersionSpec, WorkerLog, WorkerPool,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Quiet;

impl Host for Quiet {
    fn log(&self, line: WorkerLog) {
        eprintln!("{}", line.message);
    }

    fn port_call(&self, _call: PortCall) -> BoxFuture<'static, PortReply> {
        futures_util::future::pending().boxed()
    }
}

fn cpu_of(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn request() -> InvokeRequest {
    let mut headers = http::HeaderMap::new();
    headers.insert("host", http::HeaderValue::from_static("localhost:3001"));
    headers.insert("user-agent", http::HeaderValue::from_static("hot/1"));
    headers.insert("accept", http::HeaderValue::from_static("*/*"));
    InvokeRequest {
        invocation_id: "0199c0de-7000-7000-8000-000000000001".into(),
        handler: CalledHandler::default(),
        method: http::Method::GET,
        url: "http://localhost:3001/v1/functions/hello".to_owned(),
        headers,
        body: RequestBody::Empty,
        deadline: None,
    }
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // As in the server: workers are started through this program.
    if let Some(failed) = worker_pool::launch_if_asked() {
        return Ok(failed);
    }
    tokio::runtime::Runtime::new()?.block_on(measure())?;
    Ok(ExitCode::SUCCESS)
}

async fn measure() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let in_flight = arguments.next().transpose()?.unwrap_or(128);
    let seconds = arguments.next().transpose()?.unwrap_or(5);
    let max_workers = arguments.next().transpose()?.unwrap_or(1) as usize;
    let directory = tempfile::tempdir()?;
    let bundle_path = directory.path().join("hello.js");
    std::fs::write(&bundle_path, "export default async (req) => Response.json({ hello: 'world' });")?;
    let bun = BunBinary::find(std::env::var_os("BUNBASE_BUN_PATH").as_deref().map(AsRef::as_ref), &[])?;
    let pool = WorkerPool::start(PoolConfig::new(bun, directory.path().join("w")), Arc::new(Quiet)).await?;
    let settings = VersionSettings { max_workers, max_concurrency: 1000, ..VersionSettings::default() };
    let spec = VersionSpec {
        key: "hot".into(),
        project: "bench".into(),
        bundle_path,
        bytecode_path: None,
        handlers: ["default".to_owned()].into(),
        env: Vec::new(),
        settings,
    };
    let version = pool.load(spec).await?;
    for (phase, length) in [("warm-up", 1), ("measured", seconds)] {
        let calls = Arc::new(AtomicU64::new(0));
        let pids = version.stats().pids;
        let bun_before: Duration = pids.iter().map(|pid| cpu_of(*pid)).sum();
        let rust_before = cpu_of(std::process::id());
        let started = Instant::now();
        let end = started + Duration::from_secs(length);
        let tasks: Vec<_> = (0..in_flight)
            .map(|_| {
                let (version, calls) = (Arc::clone(&version), Arc::clone(&calls));
                tokio::spawn(async move {
                    while Instant::now() < end {
                        version.invoke(request()).await.map_err(|error| error.to_string())?;
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), String>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        let (elapsed, count) = (started.elapsed(), calls.load(Ordering::Relaxed) as f64);
        let bun: Duration = pids.iter().map(|pid| cpu_of(*pid)).sum::<Duration>() - bun_before;
        let rust = cpu_of(std::process::id()) - rust_before;
        println!(
            "{phase}: {in_flight} in flight, {:.0} calls/s, {:.2} us Rust + {:.2} us Bun per call",
            count / elapsed.as_secs_f64(),
            rust.as_secs_f64() * 1e6 / count,
            bun.as_secs_f64() * 1e6 / count,
        );
    }
    pool.stop().await;
    Ok(())
}
