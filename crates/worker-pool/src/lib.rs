//! Bun worker processes: frames, lifecycle, limits.
//!
//! A [`WorkerPool`] keeps generic spare workers ready. [`WorkerPool::load`] imports a bundle in one of them,
//! which from then on belongs to that function version; [`WorkerPool::register`] makes a version callable
//! without a process, which its first call then starts. [`VersionPool::invoke`] picks a worker with a free
//! slot, waits in a bounded queue, or starts another worker.
//!
//! A worker is started through a step that restricts itself before it becomes Bun ([`launch_if_asked`]), has a
//! private directory, and goes through the states of [`WorkerState`], which the [`Host`] hears of.
//!
//! Each worker has one multiplexed connection of length-prefixed binary frames (`packages/worker/PROTOCOL.md`,
//! constants in `protocol.rs`), many calls in flight, batched writes and flow control of streamed
//! bodies in both directions. What must hold:
//!
//! - each call is answered exactly once, whatever happens to its worker;
//! - a call that its worker had not begun is given to another one, a call that was begun never;
//! - a worker that ends takes only its own calls with it;
//! - a worker can reach only what is its own, as far as the kernel has means for that ([`Isolation`]);
//! - code that computes without a pause is stopped in place, and where that fails with its process;
//! - every buffer between server and worker is bounded.
//!
//! ```no_run
//! # async fn example(host: std::sync::Arc<dyn worker_pool::Host>, spec: worker_pool::VersionSpec)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use worker_pool::{BunBinary, CalledHandler, InvokeRequest, PoolConfig, RequestBody, WorkerPool};
//!
//! let bun = BunBinary::find(None, &[])?;
//! let pool = WorkerPool::start(PoolConfig::new(bun, "/tmp/bunbase-workers"), host).await?;
//! let version = pool.load(spec).await?;
//! let response = version
//!     .invoke(InvokeRequest {
//!         invocation_id: "inv_1".into(),
//!         handler: CalledHandler::default(),
//!         method: http::Method::GET,
//!         url: "http://localhost/functions/hello".to_owned(),
//!         headers: http::HeaderMap::new(),
//!         body: RequestBody::Empty,
//!         deadline: None,
//!     })
//!     .await?;
//! assert_eq!(response.status, 200);
//! version.retire().await;
//! pool.stop().await;
//! # Ok(())
//! # }
//! ```

mod bun;
mod call;
mod calls;
mod cgroup;
mod config;
mod error;
mod frame;
mod health;
mod host;
mod import;
mod isolation;
mod launch;
mod logs;
mod metrics;
mod outbox;
mod pool;
mod process;
mod protocol;
mod queue;
mod session;
mod slot;
mod spec;
mod state;
mod stats;
mod stream;
mod supervisor;
mod turnover;
mod upload;
mod version;
mod worker;

pub use bun::{BunBinary, BunError};
pub use call::{
    BodyError, BoxError, CalledHandler, InvokeRequest, InvokeResponse, RequestBody, ResponseBody, Waited,
};
pub use config::PoolConfig;
pub use error::{InvokeError, LoadError, PoolError, StartError};
pub use host::{Host, LogLevel, LogSource, PortCall, PortReply, WorkerLog};
pub use isolation::{Isolation, MemoryGuard};
pub use launch::{LaunchProgram, launch_if_asked};
pub use pool::WorkerPool;
pub use spec::{VersionSettings, VersionSpec};
pub use state::{EndReason, StateTimes, WorkerChange, WorkerSnapshot, WorkerState};
pub use stats::{PoolStats, VersionStats};
pub use stream::ResponseStream;
pub use version::VersionPool;

/// Largest body that travels in one frame with its head; larger ones are streamed by the pool.
pub const FULL_BODY_BYTES_MAX: usize = 256 * 1024;
