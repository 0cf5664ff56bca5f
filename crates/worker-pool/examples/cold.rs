//! How long a cold start of a bundle takes from a spare worker, import and first answer, from source and from
//! bytecode: `cold <bundle.js> <bundle.cjs> [runs]`. Prints the median and the worst of each in milliseconds.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use worker_pool::{
    BunBinary, CalledHandler, Host, InvokeRequest, PoolConfig, PortCall, PortReply, RequestBody,
    VersionSettings, VersionSpec, WorkerLog, WorkerPool,
};

struct Quiet;

impl Host for Quiet {
    fn log(&self, line: WorkerLog) {
        eprintln!("{}", line.message);
    }

    fn port_call(&self, _call: PortCall) -> BoxFuture<'static, PortReply> {
        futures_util::future::pending().boxed()
    }
}

fn request() -> InvokeRequest {
    InvokeRequest {
        invocation_id: "0199c0de-7000-7000-8000-000000000001".into(),
        handler: CalledHandler::default(),
        method: http::Method::GET,
        url: "http://localhost:3001/v1/functions/hello".to_owned(),
        headers: http::HeaderMap::new(),
        body: RequestBody::Empty,
        deadline: None,
    }
}

async fn cold_start(pool: &WorkerPool, spec: VersionSpec) -> Result<Duration, Box<dyn std::error::Error>> {
    while pool.stats().spares < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let started = Instant::now();
    let version = pool.load(spec).await?;
    let response = version.invoke(request()).await?;
    let elapsed = started.elapsed();
    assert_eq!(response.status, 200);
    version.retire().await;
    Ok(elapsed)
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
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: cold <bundle.js> <bundle.cjs> [runs]";
    let bundle_path = PathBuf::from(arguments.next().ok_or(usage)?).canonicalize()?;
    let compiled = PathBuf::from(arguments.next().ok_or(usage)?).canonicalize()?;
    let runs: usize = arguments.next().map_or(Ok(20), |runs| runs.parse())?;
    let directory = tempfile::tempdir()?;
    let bun = BunBinary::find(std::env::var_os("BUNBASE_BUN_PATH").as_deref().map(AsRef::as_ref), &[])?;
    let pool = WorkerPool::start(PoolConfig::new(bun, directory.path().join("w")), Arc::new(Quiet)).await?;
    let (mut source, mut bytecode) = (Vec::new(), Vec::new());
    for run in 0..runs {
        for (times, bytecode_path) in [(&mut source, None), (&mut bytecode, Some(compiled.clone()))] {
            let spec = VersionSpec {
                key: format!("cold-{run}").into(),
                project: "bench".into(),
                bundle_path: bundle_path.clone(),
                bytecode_path,
                handlers: ["default".to_owned()].into(),
                env: Vec::new(),
                settings: VersionSettings::default(),
            };
            times.push(cold_start(&pool, spec).await?);
        }
    }
    for (name, times) in [("source", &mut source), ("bytecode", &mut bytecode)] {
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        println!(
            "{name}: {:.1} ms median, {:.1} ms worst",
            median.as_secs_f64() * 1e3,
            worst.as_secs_f64() * 1e3
        );
    }
    pool.stop().await;
    Ok(())
}
