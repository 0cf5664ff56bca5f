//! The failure suite: what a function does wrong stays with it. Its own calls get the right error, and its
//! neighbours (another version, and where it can be the other calls of the same process) go on.

mod computing;
mod crashes;
mod deadlines;
mod floods;
mod memory;
mod processes;
mod secrets;

use std::sync::Arc;

use worker_pool::{InvokeError, VersionPool, VersionSettings};

use crate::support::{Bench, call, get, get_text};

/// A function under test, and another one beside it in the same pool.
struct Contained {
    bench: Bench,
    version: Arc<VersionPool>,
    neighbour: Arc<VersionPool>,
    neighbour_pids: Vec<u32>,
}

impl Contained {
    async fn start(source: &str) -> Self {
        Self::start_with(source, |_| {}).await
    }

    /// One worker, so that calls meet each other.
    async fn start_with(source: &str, change: impl FnOnce(&mut VersionSettings)) -> Self {
        Self::start_on(Bench::start().await, source, change).await
    }

    async fn start_on(bench: Bench, source: &str, change: impl FnOnce(&mut VersionSettings)) -> Self {
        let settings = |settings: &mut VersionSettings| {
            settings.max_workers = 1;
            change(settings);
        };
        let version = bench.load_with("contained", source, settings).await;
        let neighbour = bench.load("neighbour", "export default () => new Response('beside')").await;
        let neighbour_pids = neighbour.stats().pids;
        Self { bench, version, neighbour, neighbour_pids }
    }

    fn pid(&self) -> u32 {
        self.version.stats().pids[0]
    }

    async fn error(&self, path: &str) -> InvokeError {
        call(&self.version, get(path)).await.unwrap_err()
    }

    /// What is answered to `path`.
    async fn answer(&self, path: &str) -> String {
        get_text(&self.version, path).await
    }

    async fn neighbour_goes_on(&self) {
        assert_eq!(get_text(&self.neighbour, "/").await, "beside");
        assert_eq!(self.neighbour.stats().pids, self.neighbour_pids);
    }
}

fn code_and_status(error: &InvokeError) -> (&'static str, u16) {
    (error.code(), error.status().as_u16())
}
