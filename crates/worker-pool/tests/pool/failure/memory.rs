//! Memory: a soft limit that replaces the worker, a hard one that ends it.

use super::{Contained, code_and_status};
use crate::support::{Bench, until};
use std::fs;
use std::path::{Path, PathBuf};

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

/// A control group of this machine's kernel, made for a test; `None`, with a line that says so, where none may be made.
struct KernelGroup(PathBuf);

impl KernelGroup {
    fn make() -> Option<Self> {
        for hierarchy in ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"] {
            let group = Path::new(hierarchy).join(format!("bunbase-test-{}", std::process::id()));
            if fs::create_dir(&group).is_err() {
                continue;
            }
            let made = Self(group);
            let controllers = fs::read_to_string(made.0.join("cgroup.controllers")).unwrap_or_default();
            let is_v1 = made.0.join("memory.limit_in_bytes").exists();
            if is_v1 || controllers.split_whitespace().any(|name| name == "memory") {
                return Some(made);
            }
        }
        eprintln!("no control group with memory may be made here: the test is skipped");
        None
    }

    /// The limits of the groups beneath it, in bytes.
    fn limits(&self) -> Vec<u64> {
        let groups = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let limit = |group: PathBuf| {
            let read = |name: &str| fs::read_to_string(group.join(name)).ok();
            read("memory.limit_in_bytes").or_else(|| read("memory.max"))?.trim().parse().ok()
        };
        groups.filter(|path| path.is_dir()).filter_map(limit).collect()
    }
}

impl Drop for KernelGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn the_kernel_holds_the_memory_of_each_worker_where_a_control_group_was_given() {
    const SLACK_BYTES: u64 = 64 << 20;
    let Some(group) = KernelGroup::make() else { return };
    let parent = group.0.clone();
    let bench = Bench::start_with(|config| config.cgroup = Some(parent)).await;
    let limited = |settings: &mut worker_pool::VersionSettings| settings.memory_limit_bytes = LIMIT_BYTES;
    let contained = Contained::start_on(bench, EATERS, limited).await;
    assert!(group.limits().contains(&(LIMIT_BYTES + SLACK_BYTES)), "{:?}", group.limits());
    let error = contained.error("/at-once").await;
    assert_eq!(code_and_status(&error), ("memory_limit", 502));
    assert_eq!(contained.answer("/").await, "ok");
    contained.neighbour_goes_on().await;
    contained.bench.pool.stop().await;
    until(|| group.limits().is_empty()).await;
}
