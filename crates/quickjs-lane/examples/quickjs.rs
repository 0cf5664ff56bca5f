//! How long calls take in the lane: `quickjs [rounds]`. Prints medians of a cold start with its first call, of a warm
//! call, of a warm call that looks at its request, and what an instance holds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use outbound::{OutboundClient, OutboundConfig};
use quickjs_lane::{Capabilities, Lane, LaneConfig, LaneSpec, LaneVersion};
use worker_pool::{
    CalledHandler, Host, InvokeRequest, PortCall, PortReply, RequestBody, VersionSettings, VersionSpec,
    WorkerLog,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELLO: &str = "export default async (req) => Response.json({ hello: 'world' });";
const LOOKING: &str = "export default async (req) => {
    const url = new URL(req.url);
    return Response.json({ path: url.pathname, agent: req.headers.get('user-agent'), id: req.headers.get('x-invocation-id') });
};";
/// The timer stays open, so that no instance serves twice.
const ONCE: &str =
    "export default (req) => { setTimeout(() => {}, 60000); return Response.json({ hello: 'world' }) };";

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
    let mut headers = http::HeaderMap::new();
    headers.insert("host", http::HeaderValue::from_static("localhost:3001"));
    headers.insert("user-agent", http::HeaderValue::from_static("quickjs/1"));
    headers.insert("accept", http::HeaderValue::from_static("*/*"));
    InvokeRequest {
        invocation_id: "0199c0de-7000-7000-8000-000000000001".into(),
        handler: CalledHandler::default(),
        method: http::Method::GET,
        url: "http://localhost:3001/v1/functions/hello?a=b".to_owned(),
        headers,
        body: RequestBody::Empty,
        deadline: None,
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn measure(version: &LaneVersion, rounds: usize) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let began = Instant::now();
        version.invoke(request()).await?;
        times.push(began.elapsed());
    }
    Ok(median(times))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = std::env::args().nth(1).map(|rounds| rounds.parse()).transpose()?.unwrap_or(2000);
    let directory = tempfile::tempdir()?;
    let outbound = OutboundClient::new(OutboundConfig::default());
    let lane = Lane::start(LaneConfig::default(), Arc::new(Quiet), outbound)?;
    for (what, source) in
        [("cold start and first call", ONCE), ("warm call", HELLO), ("warm call that looks", LOOKING)]
    {
        let bundle_path = directory.path().join("bundle.js");
        std::fs::write(&bundle_path, source)?;
        let version = VersionSpec {
            key: "bench".into(),
            project: "bench".into(),
            bundle_path,
            bytecode_path: None,
            handlers: ["default".to_owned()].into(),
            env: Vec::new(),
            settings: VersionSettings::default(),
        };
        let version = lane.load(LaneSpec { version, capabilities: Capabilities::strict() }).await?;
        let held_kb = lane.stats().memory_bytes / 1024;
        measure(&version, rounds / 10 + 1).await?;
        let time = measure(&version, rounds).await?;
        println!("{what}: median {:.1} us of {rounds}; instance {held_kb} KiB", time.as_secs_f64() * 1e6);
        version.retire().await;
    }
    lane.stop().await;
    Ok(())
}
