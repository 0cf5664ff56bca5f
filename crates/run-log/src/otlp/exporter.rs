//! The queue in front of the collector, and the task that empties it.

use super::client::{Collector, Export};
use super::config::OtlpConfig;
use super::message::requests;
use super::{figures, lines, spans};
use crate::error::RunLogError;
use crate::line::LogLine;
use crate::run::StoredRun;
use crate::store::figures::FiguresRow;
use metrics::counter;
use service_kit::ids::ProjectId;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Batches that wait at most; bytes bound them before.
const BATCHES_MAX: usize = 1_024;
/// How long the end of the server waits for the collector.
const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// What a row of figures takes in a message, about.
const FIGURES_BYTES: usize = 2_000;

/// Something to export, redacted.
#[derive(Clone)]
pub(crate) enum Batch {
    /// Log lines.
    Lines(Arc<Vec<LogLine>>),
    /// Runs of sampled traces.
    Runs(Arc<Vec<(ProjectId, StoredRun)>>),
    /// Minutes that are over.
    Figures(Arc<Vec<FiguresRow>>),
}

impl Batch {
    fn signal(&self) -> &'static str {
        match self {
            Self::Lines(_) => "logs",
            Self::Runs(_) => "traces",
            Self::Figures(_) => "metrics",
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.len(),
            Self::Runs(runs) => runs.len(),
            Self::Figures(rows) => rows.len(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.iter().map(LogLine::bytes).sum(),
            Self::Runs(runs) => runs.iter().map(|(_, run)| run.bytes()).sum(),
            Self::Figures(rows) => rows.len() * FIGURES_BYTES,
        }
    }

    /// Messages, each with how many records it has.
    fn exports(&self) -> Vec<(usize, Export)> {
        match self {
            Self::Lines(all) => {
                let shares = requests(all, LogLine::bytes).into_iter();
                shares.map(|share| (share.len(), Export::Lines(lines::request(share)))).collect()
            }
            Self::Runs(all) => {
                let shares = requests(all, |(_, run)| run.bytes()).into_iter();
                shares.map(|share| (share.len(), Export::Spans(spans::request(share)))).collect()
            }
            Self::Figures(all) => {
                let shares = requests(all, |_| FIGURES_BYTES).into_iter();
                shares.map(|share| (share.len(), Export::Figures(figures::request(share)))).collect()
            }
        }
    }
}

struct Queued {
    batch: Batch,
    bytes: usize,
}

#[derive(Default)]
struct State {
    queued_bytes: AtomicUsize,
    dropped: AtomicU64,
    /// Whether the last request failed, so that a collector that is away is said once.
    failing: AtomicBool,
}

impl State {
    fn drop_records(&self, signal: &'static str, count: usize) {
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
        counter!("bunbase_otlp_records_total", "signal" => signal, "outcome" => "dropped")
            .increment(count as u64);
    }
}

/// The export to one collector.
pub(crate) struct Exporter {
    queue: Mutex<Option<mpsc::Sender<Queued>>>,
    queue_bytes_max: usize,
    state: Arc<State>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Exporter {
    /// Begins to export; none where no endpoint is set.
    pub(crate) fn start(config: &OtlpConfig) -> Result<Option<Self>, RunLogError> {
        let Some(endpoint) = config.endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()) else {
            return Ok(None);
        };
        let collector = Collector::new(config, endpoint)?;
        let (queue, batches) = mpsc::channel(BATCHES_MAX);
        let state = Arc::new(State::default());
        let task = tokio::spawn(run(collector, batches, state.clone()));
        Ok(Some(Self {
            queue: Mutex::new(Some(queue)),
            queue_bytes_max: config.queue_bytes_max,
            state,
            task: Mutex::new(Some(task)),
        }))
    }

    /// Puts a batch into the queue; one that finds no room is dropped and counted.
    pub(crate) fn offer(&self, batch: Batch) {
        if batch.len() == 0 {
            return;
        }
        let (signal, count, bytes) = (batch.signal(), batch.len(), batch.bytes());
        let queued = self.state.queued_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = queued <= self.queue_bytes_max
            && queue.as_ref().is_some_and(|queue| queue.try_send(Queued { batch, bytes }).is_ok());
        if !taken {
            self.state.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.state.drop_records(signal, count);
        }
    }

    /// Records that were not exported since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }

    /// Sends what waits, for a while, and ends.
    pub(crate) async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return };
        if tokio::time::timeout(CLOSE_WAIT, &mut task).await.is_err() {
            tracing::warn!("the otlp collector did not take everything before the end");
            task.abort();
        }
    }
}

async fn run(collector: Collector, mut batches: mpsc::Receiver<Queued>, state: Arc<State>) {
    while let Some(Queued { batch, bytes }) = batches.recv().await {
        let signal = batch.signal();
        for (count, export) in batch.exports() {
            let answer = collector.send(export).await;
            settle(&state, signal, count, answer);
        }
        state.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn settle(state: &State, signal: &'static str, count: usize, answer: Result<i64, tonic::Status>) {
    let refused = match answer {
        Ok(refused) => {
            state.failing.store(false, Ordering::Relaxed);
            usize::try_from(refused).unwrap_or(0).min(count)
        }
        Err(status) => {
            if !state.failing.swap(true, Ordering::Relaxed) {
                let (code, message) = (status.code(), status.message());
                tracing::warn!(%code, message, signal, "the otlp collector took nothing, records are dropped");
            }
            count
        }
    };
    if refused > 0 {
        state.drop_records(signal, refused);
    }
    let sent = (count - refused) as u64;
    counter!("bunbase_otlp_records_total", "signal" => signal, "outcome" => "sent").increment(sent);
}
