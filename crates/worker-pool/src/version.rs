//! The workers of one function version: picks one for a call, starts and ends them as they are needed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;

use crate::call::{InvokeRequest, InvokeResponse, RequestBody, Waited, Warmed};
use crate::calls::Outcome;
use crate::error::{InvokeError, LoadError};
use crate::frame::request_head_bytes;
use crate::metrics::Metrics;
use crate::pool::Shared;
use crate::protocol::HEAD_BYTES_MAX;
use crate::queue::Queue;
use crate::slot::{Due, Slot, Ticket};
use crate::spec::VersionSpec;
use crate::state::{EndReason, WorkerSnapshot, WorkerState};
use crate::stats::VersionStats;
use crate::worker::Worker;

/// Workers that have ended and are still shown.
pub(crate) const ENDED_MAX: usize = 16;
/// Workers that may end under a call before its handler has seen it.
const ATTEMPTS_MAX: usize = 4;

/// The workers of one function version. Dropping it ends them without waiting for calls in flight.
pub struct VersionPool {
    version: Arc<Version>,
}

impl VersionPool {
    pub(crate) fn new(version: Arc<Version>) -> Self {
        Self { version }
    }

    /// What was registered.
    pub fn spec(&self) -> &VersionSpec {
        &self.version.spec
    }

    /// What the bundle says about itself, as JSON `{config, exports}`; `None` until it was imported once.
    pub fn report(&self) -> Option<&Bytes> {
        self.version.report.get()
    }

    /// Waits until the bundle was imported once, in a worker that is started where there is none; then there is a
    /// `report`.
    ///
    /// # Errors
    /// As a call that finds no worker.
    pub async fn imported(&self) -> Result<(), InvokeError> {
        if self.report().is_none() {
            drop(self.version.slot(&mut Waited::default()).await?);
        }
        Ok(())
    }

    /// Calls the function. Dropping the future aborts `req.signal` in the handler.
    ///
    /// The deadline runs from the moment the call is given to a worker until the response head; a streamed
    /// body may take longer.
    pub async fn invoke(&self, call: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        self.invoke_measured(call, &mut Waited::default()).await
    }

    /// The same; what the call waited for is in `waited` as soon as a worker has it.
    pub async fn invoke_measured(
        &self,
        call: InvokeRequest,
        waited: &mut Waited,
    ) -> Result<InvokeResponse, InvokeError> {
        let answer = self.version.invoke(call, waited).await;
        if let Err(error) = &answer {
            Metrics::failed(error);
        }
        answer
    }

    /// Takes no more calls, waits for those in flight (at most the drain timeout), ends the workers.
    pub async fn retire(&self) {
        self.version.retire().await;
    }

    /// The workers of the version, and the last 16 that have ended, by their numbers.
    pub fn workers(&self) -> Vec<WorkerSnapshot> {
        self.version.snapshots()
    }

    /// What the version is doing.
    pub fn stats(&self) -> VersionStats {
        self.version.stats()
    }
}

impl std::fmt::Debug for VersionPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("VersionPool").field(&self.version.spec.key).field(&self.stats()).finish()
    }
}

impl Drop for VersionPool {
    fn drop(&mut self) {
        self.version.close();
        for worker in self.version.all_workers() {
            worker.end(EndReason::Retired);
        }
    }
}

pub(crate) struct Version {
    pub(crate) spec: VersionSpec,
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: RwLock<Vec<Arc<Worker>>>,
    starting: AtomicUsize,
    queue: Queue,
    retired: AtomicBool,
    /// A worker is being replaced: one after the other.
    pub(crate) replacing: AtomicBool,
    pub(crate) ended: Mutex<VecDeque<WorkerSnapshot>>,
    pub(crate) report: OnceLock<Bytes>,
    /// Microseconds of processor time.
    pub(crate) cpu_us: AtomicU64,
}

impl Version {
    pub(crate) fn new(spec: VersionSpec, shared: Arc<Shared>) -> Self {
        let queue = Queue::new(spec.settings.queue_max);
        Self {
            spec,
            shared,
            workers: RwLock::default(),
            starting: AtomicUsize::new(0),
            queue,
            retired: AtomicBool::new(false),
            replacing: AtomicBool::new(false),
            ended: Mutex::default(),
            report: OnceLock::new(),
            cpu_us: AtomicU64::new(0),
        }
    }

    async fn invoke(
        self: &Arc<Self>,
        mut call: InvokeRequest,
        waited: &mut Waited,
    ) -> Result<InvokeResponse, InvokeError> {
        self.shared.metrics.calls.increment(1);
        if request_head_bytes(&call) > HEAD_BYTES_MAX {
            return Err(InvokeError::HeadTooLarge { bytes_max: HEAD_BYTES_MAX });
        }
        stream_if_large(&mut call.body);
        for _ in 0..ATTEMPTS_MAX {
            let slot = self.slot(waited).await?;
            let due = self.due(&call)?;
            let Some(ticket) = slot.submit(&call, due) else { continue };
            match outcome(ticket, &mut call).await {
                Outcome::Response(response) => return Ok(response),
                Outcome::Failed(error) => return Err(error),
                Outcome::NotBegun => self.shared.metrics.calls_moved.increment(1),
            }
        }
        Err(InvokeError::WorkerCrashed)
    }

    fn due(&self, call: &InvokeRequest) -> Result<Due, InvokeError> {
        let now = Instant::now();
        let longest = self.spec.settings.execution_timeout;
        let timeout = call.handler.timeout.map_or(longest, |own| own.min(longest));
        let latest = now + timeout + self.spec.settings.queue_timeout;
        let latest = call.deadline.map_or(latest, |deadline| deadline.min(latest));
        let Some(deadline) = call.deadline.filter(|deadline| *deadline < now + timeout) else {
            return Ok(Due { at: now + timeout, timeout, latest });
        };
        match deadline.checked_duration_since(now) {
            Some(timeout) => Ok(Due { at: deadline, timeout, latest }),
            None => Err(InvokeError::Timeout(Duration::ZERO)),
        }
    }

    /// A slot on the worker with the fewest calls, or a place in the queue.
    async fn slot(self: &Arc<Self>, waited: &mut Waited) -> Result<Slot, InvokeError> {
        if self.is_retired() {
            return Err(InvokeError::Retired);
        }
        if self.queue.is_empty()
            && let Some(slot) = self.free_slot()
        {
            return Ok(slot);
        }
        self.shared.metrics.calls_queued.increment(1);
        let since = Instant::now();
        let timeout = self.spec.settings.queue_timeout;
        let place = self.queue.join().ok_or(InvokeError::Overloaded { retry_after: timeout })?;
        self.grow_for_queue();
        self.slot_freed();
        let slot = tokio::time::timeout(timeout, place).await;
        self.shared.metrics.queue_seconds.record(since.elapsed().as_secs_f64());
        let served = slot.as_ref().ok().and_then(|served| served.as_ref().ok()?.as_ref().ok());
        waited.add(since, served.and_then(Slot::warmed));
        match slot {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(InvokeError::Retired),
            Err(_) => {
                self.queue.forget_gone();
                Err(InvokeError::QueueTimeout { retry_after: timeout })
            }
        }
    }

    fn free_slot(&self) -> Option<Slot> {
        let slots_max = self.spec.settings.max_concurrency;
        let workers = self.workers.read().unwrap_or_else(PoisonError::into_inner);
        let (mut best, mut fewest) = (None, usize::MAX);
        for worker in workers.iter().filter(|worker| worker.takes_calls()) {
            let taken = worker.slots.load(Ordering::Relaxed);
            if taken < fewest {
                (best, fewest) = (Some(worker), taken);
            }
        }
        best?.take_slot(slots_max)
    }

    /// Gives free slots to those who wait.
    pub(crate) fn slot_freed(&self) {
        while !self.queue.is_empty() {
            let Some(slot) = self.free_slot() else { return };
            if self.queue.serve(slot).is_none() {
                return;
            }
        }
    }

    pub(crate) fn grow_for_queue(self: &Arc<Self>) {
        let coming = self.starting.load(Ordering::Acquire) * self.spec.settings.max_concurrency;
        if self.queue.len() > coming {
            self.grow();
        }
    }

    /// Starts one more worker in the background, if there may be one more.
    pub(crate) fn grow(self: &Arc<Self>) {
        if self.is_retired() {
            return;
        }
        {
            let workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
            if workers.len() + self.starting.load(Ordering::Acquire) >= self.spec.settings.max_workers {
                return;
            }
            self.starting.fetch_add(1, Ordering::AcqRel);
        }
        let version = Arc::clone(self);
        tokio::spawn(async move {
            let added = version.add_worker().await;
            version.starting.fetch_sub(1, Ordering::AcqRel);
            if let Err(error) = added {
                version.start_failed(&error);
            }
        });
    }

    /// Calls that wait are told, unless other workers can still take them.
    fn start_failed(self: &Arc<Self>, error: &LoadError) {
        tracing::warn!(version = %self.spec.key, error = error as &dyn std::error::Error, "worker could not be started");
        if self.all_workers().is_empty() && self.starting.load(Ordering::Acquire) == 0 {
            self.queue.fail_all(|| InvokeError::StartFailed { message: error.to_string() });
        }
    }

    /// Takes a spare, imports the bundle in it, and gives it calls.
    pub(crate) async fn add_worker(self: &Arc<Self>) -> Result<(), LoadError> {
        let started = Instant::now();
        let worker = self.shared.take_spare(self.network()).await?;
        let loaded = self.load_into(&worker).await;
        if loaded.is_err() || self.is_retired() || self.shared.is_stopping() {
            worker.end(EndReason::Retired);
            return loaded;
        }
        self.shared.metrics.cold_start_seconds.record(started.elapsed().as_secs_f64());
        self.shared.enter(&worker, WorkerState::Warm);
        let _first = worker.warmed.set(Warmed { began: started, ready: Instant::now() });
        self.workers.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&worker));
        if worker.calls().is_closed() {
            // It ended between its answer and here, and had nothing to be forgotten from.
            self.forget(&worker);
        }
        self.slot_freed();
        Ok(())
    }

    /// Starts the workers that `min_warm` asks for and that are not there.
    pub(crate) fn keep_warm(self: &Arc<Self>) {
        let settings = &self.spec.settings;
        let there = self.all_workers().len() + self.starting.load(Ordering::Acquire);
        for _ in there..settings.min_warm.min(settings.max_workers) {
            self.grow();
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.retired.store(true, Ordering::Release);
        self.queue.fail_all(|| InvokeError::Retired);
    }

    pub(crate) async fn retire(self: &Arc<Self>) {
        self.close();
        let workers = self.all_workers();
        join_all(workers.iter().map(|worker| self.end_drained(worker))).await;
    }

    async fn end_drained(&self, worker: &Arc<Worker>) {
        // From here on the supervisor ends it as soon as its last call is over.
        worker.draining.store(true, Ordering::Release);
        if tokio::time::timeout(self.shared.drain_timeout, worker.has_ended()).await.is_err() {
            worker.end(EndReason::Retired);
            worker.has_ended().await;
        }
    }

    fn stats(&self) -> VersionStats {
        let workers = self.all_workers();
        VersionStats {
            workers: workers.len(),
            in_flight: workers.iter().map(|worker| worker.slots.load(Ordering::Relaxed)).sum(),
            queued: self.queue.len(),
            pids: workers.iter().map(|worker| worker.pid).collect(),
            memory_bytes: workers.iter().map(|worker| worker.life().memory_bytes).sum(),
            cpu: Duration::from_micros(self.cpu_us.load(Ordering::Relaxed)),
        }
    }
}

/// Waits for the answer; a streamed body is given away only once the handler was entered.
async fn outcome(ticket: Ticket, call: &mut InvokeRequest) -> Outcome {
    let Ticket { call: mut given, outcome: mut answer, upload } = ticket;
    let answered = match upload {
        None => (&mut answer).await,
        Some(upload) => tokio::select! {
            // First: the head of a response may come in the same read as the first credit.
            biased;
            true = upload.begun() => {
                let body = std::mem::replace(&mut call.body, RequestBody::Empty);
                if let RequestBody::Stream(source) | RequestBody::Socket(source) = body {
                    upload.start(Arc::clone(&given.worker), given.id, source);
                }
                (&mut answer).await
            }
            answered = &mut answer => answered,
        },
    };
    given.answered = true;
    answered.unwrap_or(Outcome::Failed(InvokeError::WorkerCrashed))
}

/// A body that does not fit into a frame goes in pieces.
fn stream_if_large(body: &mut RequestBody) {
    if let RequestBody::Full(bytes) = body
        && bytes.len() > crate::FULL_BODY_BYTES_MAX
    {
        let bytes = std::mem::take(bytes);
        *body = RequestBody::Stream(Box::pin(stream::once(async { Ok(bytes) })));
    }
}
