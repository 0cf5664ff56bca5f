//! One function version, as the pool has to know it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// An immutable version of a function: what to load, and within which limits. It holds secrets, so it cannot be
/// printed.
#[derive(Clone)]
pub struct VersionSpec {
    /// Unique id of the function version; logs, port calls and statistics carry it.
    pub key: Arc<str>,
    /// The project that owns the function; port calls act for it.
    pub project: Arc<str>,
    /// Absolute path of the bundled module.
    pub bundle_path: PathBuf,
    /// The same module as CommonJS with its bytecode beside it. A worker that starts while this file is there
    /// loads it instead, and the bundle where it cannot.
    pub bytecode_path: Option<PathBuf>,
    /// The exports that can be called, at least one; a call says which by its place. `default` also finds a default
    /// object with `fetch` and an export `handler`.
    pub handlers: Arc<[String]>,
    /// Variables of `process.env`; nothing of the server's own environment is visible.
    pub env: Vec<(String, String)>,
    /// Limits of this version.
    pub settings: VersionSettings,
}

/// Limits of one function version.
#[derive(Debug, Clone)]
pub struct VersionSettings {
    /// From the moment a call's handler can be entered until its response head, and again for work that the
    /// handler leaves behind with `waitUntil`. Code that computes for so long in one piece is stopped.
    pub execution_timeout: Duration,
    /// Anonymous memory of one worker. At 7/8 of it the worker is drained, above it killed.
    pub memory_limit_bytes: u64,
    /// Worker processes of this version at most.
    pub max_workers: usize,
    /// Calls in flight on one worker at most.
    pub max_concurrency: usize,
    /// Workers that stay when idle.
    pub min_warm: usize,
    /// A worker above `min_warm` without a call for so long is ended.
    pub idle_timeout: Duration,
    /// Calls waiting for a worker at most; one more is answered `overloaded`.
    pub queue_max: usize,
    /// How long a call waits for a worker at most.
    pub queue_timeout: Duration,
    /// How long the import of the bundle may take; the pool's own limit where there is none.
    pub startup_timeout: Option<Duration>,
    /// A worker of this age is replaced: Bun processes grow.
    pub recycle_age: Duration,
    /// A worker that was given so many calls is replaced.
    pub recycle_calls: u32,
    /// Hosts that the function may connect to: `name`, `*.name` (all below it), each also with `:port`. `None` is
    /// all. A list is held by the worker itself, against accidents; an empty one by the kernel, where it has
    /// filters (see `docs/functions/isolation.md`).
    pub allowed_hosts: Option<Vec<String>>,
}

impl Default for VersionSettings {
    fn default() -> Self {
        Self {
            execution_timeout: Duration::from_secs(30),
            memory_limit_bytes: 256 * 1024 * 1024,
            max_workers: std::thread::available_parallelism().map_or(2, usize::from).max(2),
            max_concurrency: 100,
            min_warm: 0,
            idle_timeout: Duration::from_secs(300),
            queue_max: 1000,
            queue_timeout: Duration::from_secs(10),
            startup_timeout: None,
            recycle_age: Duration::from_secs(24 * 60 * 60),
            recycle_calls: 1_000_000_000,
            allowed_hosts: None,
        }
    }
}
