//! Opens a store: checks its directory and its journal, loads the catalog, starts the threads.

use super::FjallEngine;
use crate::catalog::record;
use crate::committer::{Committer, Shared, Start};
use crate::error::EngineError;
use crate::feeds::Feeds;
use crate::history::History;
use crate::home::Home;
use crate::journal;
use crate::layout::{LAST_COMMIT, NEXT_ID, Space};
use crate::matching;
use crate::options::EngineOptions;
use crate::recovery::RecoveryReport;
use crate::requests::Requests;
use crate::store::Store;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, watch};

impl FjallEngine {
    /// Opens or creates the store in `path`. A torn end of the journal is cut and reported.
    ///
    /// # Errors
    /// `Locked`, `NewerFormat`, `Damaged` (damage that a cut would hide; nothing is changed then),
    /// `DiskFull` or `Storage`.
    pub fn open(
        path: &Path,
        options: EngineOptions,
    ) -> Result<(Arc<FjallEngine>, RecoveryReport), EngineError> {
        let home = Home::open(path)?;
        home.prepare_store()?;
        let cut = journal::check(&home.store(), &home.cut())?;
        let (side_record, promised) = home.side_record()?;
        let store = Store::open(&home.store(), &options)?;
        home.finish_store()?;
        let number = |key: &[u8]| store.get(Space::Meta, key);
        let last_commit = number(LAST_COMMIT)?.map_or(Ok(0), |value| record::number(&value))?;
        let next_id = number(NEXT_ID)?.map_or(Ok(1), |value| record::id(&value))?;
        let (catalog, garbage) = record::load(&store.view())?;
        let report = RecoveryReport::new(cut, last_commit, promised);
        report.log();
        let epoch = if report.lost.is_some() { home.new_epoch()? } else { home.epoch()? };
        let shared = Arc::new(Shared {
            outboxes: record::load_outboxes(&store, &catalog)?,
            history: Arc::new(History::new(&options)),
            matching_queries: Arc::new(Semaphore::new(options.matching_queries_max.max(1))),
            drafts: Arc::new(Semaphore::new(matching::room(options.matching_drafts_bytes_max))),
            #[cfg(test)]
            unchecked: AtomicBool::new(false),
            store,
            catalog,
            queued: AtomicU64::new(0),
            writes_stopped: AtomicBool::new(false),
            commits: watch::Sender::new(last_commit),
            feeds: Feeds::default(),
            options,
        });
        let (requests, receiver) = sync_channel(shared.options.write_queue_max);
        let last_commit = report.first_free_commit() - 1;
        let start = Start { side_record, last_commit, next_id, garbage, path: path.to_owned() };
        let committer = Committer::new(Arc::clone(&shared), receiver, start);
        let statistics = Arc::clone(&shared);
        let threads = Mutex::new(vec![
            spawn("bundoc-commit", move || committer.run())?,
            spawn("bundoc-stats", move || statistics.store.statistics().run(&statistics.store))?,
        ]);
        let requests = Requests::new(Arc::clone(&shared), requests);
        let engine = Self { shared, requests, threads, epoch, _home: home };
        Ok((Arc::new(engine), report))
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, EngineError> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(|error| EngineError::Storage(Box::new(error)))
}
