//! Memory: a soft limit that replaces the worker, a hard one that ends it.

use super::{Contained, code_and_status};
use crate::support::until;

const EATERS: &str = "const kept = [];
const eat = (mebibytes) => kept.push(new Uint8Array(mebibytes << 20).fill(1));
export default async (req) => {
    const path = new URL(req.url).pathname;
    if (path === '/pid') return new Response(String(process.pid));
    if (path === '/most') { eat(118); return new Response('much') }
    if (path === '/slowly') for (;;) { eat(4); await new Promise((next) => setTimeout(next)); }
    if (path === '/at-once') for (;;) eat(4);
    if (path === '/objects') { const all = []; for (;;) all.push({ a: all.length, b: String(all.length) }); }
    return new Response('ok');
}";
const LIMIT_BYTES: u64 = 128 << 20;

async fn started() -> Contained {
    Contained::start_with(EATERS, |settings| settings.memory_limit_bytes = LIMIT_BYTES).await
}

#[tokio::test]
async fn a_memory_hog_is_ended_with_its_own_error() {
    let contained = started().await;
    for path in ["/slowly", "/at-once", "/objects"] {
        let error = contained.error(path).await;
        assert_eq!(code_and_status(&error), ("memory_limit", 502), "{path}");
        assert_eq!(contained.answer("/").await, "ok", "{path}");
        contained.neighbour_goes_on().await;
    }
}

#[tokio::test]
async fn a_worker_near_its_limit_is_replaced_before_it_gets_there() {
    let contained = started().await;
    let fat = contained.pid();
    assert_eq!(contained.answer("/most").await, "much");
    until(|| contained.bench.host.states(fat).last() == Some(&"TERMINATED")).await;
    assert_ne!(contained.answer("/pid").await, fat.to_string());
    let ended = contained.version.workers().into_iter().find(|worker| worker.pid == fat).unwrap();
    assert_eq!(ended.end.map(worker_pool::EndReason::as_str), Some("retired"));
    contained.neighbour_goes_on().await;
}
