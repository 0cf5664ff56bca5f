//! One function version in the lane: takes calls, gives each an instance, and says how it ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker_pool::{
    InvokeError, InvokeRequest, InvokeResponse, LoadError, LogLevel, LogSource, RequestBody, VersionSpec,
    Waited,
};

use crate::bridge::{Answer, LogEntry, Owner};
use crate::budget::cut;
use crate::bytecode::{Bytecode, CompileError, Keeps};
use crate::config::LaneSpec;
use crate::driver::{Drive, Finished};
use crate::engine::Parts;
use crate::failure::Failure;
use crate::instance::Instance;
use crate::lane::Shared;
use crate::message::{Call, CallBody, call_block, response};
use crate::metrics::Metrics;
use crate::seats::{Seat, Seats};
use crate::stack;

/// Largest head of a call, as in a pool of workers.
const HEAD_BYTES_MAX: usize = 512 * 1024;

/// A function version that can be called. Dropping it ends its idle instances; calls in flight go on.
pub struct LaneVersion {
    version: Arc<Version>,
}

/// What a version is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LaneVersionStats {
    /// Calls that run or wait for something outside.
    pub in_flight: usize,
    /// Calls that wait for an instance.
    pub queued: usize,
    /// Instances that wait for a call.
    pub idle_instances: usize,
    /// Memory of all its instances, to within 64 KiB for each.
    pub memory_bytes: u64,
    /// How long its calls had a thread, since it was registered; only grows.
    pub cpu: Duration,
}

impl LaneVersion {
    pub(crate) fn new(version: Arc<Version>) -> Self {
        Self { version }
    }

    /// What was registered.
    pub fn spec(&self) -> &VersionSpec {
        &self.version.spec.version
    }

    /// What the bundle says about itself, as JSON `{config, exports}`; `None` until it was imported once.
    pub fn report(&self) -> Option<&Bytes> {
        self.version.parts.get()?.report.get()
    }

    /// Calls the function. Dropping the future ends the call.
    ///
    /// # Errors
    /// The same as those of a pool of workers, with the same codes.
    pub async fn invoke(&self, call: InvokeRequest) -> Result<InvokeResponse, InvokeError> {
        self.invoke_measured(call, &mut Waited::default()).await
    }

    /// The same; what the call waited for is in `waited` when it ends.
    ///
    /// # Errors
    /// The same.
    pub async fn invoke_measured(
        &self,
        call: InvokeRequest,
        waited: &mut Waited,
    ) -> Result<InvokeResponse, InvokeError> {
        let _call = self.version.calls.token();
        let ended = &self.version.ended;
        let answer = match ended.run_until_cancelled(self.version.invoke(call, waited)).await {
            Some(answer) => answer,
            None => Err(InvokeError::Retired),
        };
        if let Err(error) = &answer {
            Metrics::failed(error);
        }
        answer
    }

    /// Takes no more calls, waits for those in flight (at most the drain timeout), then ends them.
    pub async fn retire(&self) {
        self.version.retire().await;
    }

    /// What the version is doing.
    pub fn stats(&self) -> LaneVersionStats {
        let seats = &self.version.seats;
        LaneVersionStats {
            in_flight: seats.taken(),
            queued: seats.waiting(),
            idle_instances: seats.idle_count(),
            memory_bytes: seats.memory_bytes(),
            cpu: Duration::from_micros(self.version.used_us.load(Ordering::Relaxed)),
        }
    }
}

impl std::fmt::Debug for LaneVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("LaneVersion").field(&self.spec().key).field(&self.stats()).finish()
    }
}

impl Drop for LaneVersion {
    fn drop(&mut self) {
        self.version.close();
    }
}

pub(crate) struct Version {
    spec: LaneSpec,
    shared: Arc<Shared>,
    owner: Arc<Owner>,
    /// Threads that the project may have at once.
    turns: Arc<Semaphore>,
    pub(crate) seats: Seats,
    parts: OnceCell<Arc<Parts>>,
    /// Read for the first stack: one that many calls write costs no more than a few lookups.
    map: OnceCell<Option<sourcemap::SourceMap>>,
    used_us: Arc<AtomicU64>,
    /// Calls that were not answered yet.
    calls: TaskTracker,
    /// Ends them.
    ended: CancellationToken,
}

impl Version {
    pub(crate) fn new(spec: LaneSpec, shared: Arc<Shared>) -> Self {
        let owner = Arc::new(Owner {
            host: Arc::clone(&shared.outside.host),
            project: Arc::clone(&spec.version.project),
            version: Arc::clone(&spec.version.key),
        });
        let turns = shared.turns_of(&spec.version.project);
        let seats = Seats::new(&spec.version.settings);
        Self {
            spec,
            shared,
            owner,
            turns,
            seats,
            parts: OnceCell::new(),
            map: OnceCell::new(),
            used_us: Arc::default(),
            calls: TaskTracker::new(),
            ended: CancellationToken::new(),
        }
    }

    /// Compiles and imports the module, and keeps the instance.
    pub(crate) async fn load(&self) -> Result<(), LoadError> {
        let parts = self.parts().await.map_err(Failure::into_load)?;
        let place = self
            .seats
            .take()
            .await
            .map_err(|error| LoadError::Start(worker_pool::StartError::Ended(error.to_string())))?;
        let seat = self.seats.furnish(place, &self.shared, self.spec.memory_limit_bytes());
        let timeout =
            self.spec.version.settings.startup_timeout.unwrap_or(self.shared.config.startup_timeout);
        self.shared
            .make_room()
            .map_err(|error| LoadError::Start(worker_pool::StartError::Ended(error.to_string())))?;
        let drive = self.drive(parts, timeout, None);
        let mut finished = drive.run(seat, None).await.map_err(Failure::into_load)?;
        // No call waits for it.
        finished.seat.instance.as_mut().and_then(Instance::take_start);
        self.seats.keep(finished.seat);
        Ok(())
    }

    async fn invoke(&self, call: InvokeRequest, waited: &mut Waited) -> Result<InvokeResponse, InvokeError> {
        self.shared.metrics.calls.increment(1);
        let head_bytes = call.url.len()
            + call.handler.params.len()
            + call.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        if head_bytes > HEAD_BYTES_MAX {
            return Err(InvokeError::HeadTooLarge { bytes_max: HEAD_BYTES_MAX });
        }
        let since = Instant::now();
        let place = self.seats.take().await?;
        waited.queue = since.elapsed();
        self.shared.metrics.queue_seconds.record(waited.queue.as_secs_f64());
        let invocation_id = Arc::clone(&call.invocation_id);
        let since = Instant::now();
        let parts = match self.parts().await {
            Ok(parts) => parts,
            Err(failure) => return Err(self.refuse(failure, &invocation_id).await),
        };
        let longest = self.spec.version.settings.execution_timeout;
        let timeout = call.handler.timeout.map_or(longest, |own| own.min(longest));
        let drive = self.drive(parts, timeout, call.deadline);
        let seat = self.seats.furnish(place, &self.shared, self.spec.memory_limit_bytes());
        let room = self.shared.make_room();
        if seat.instance.is_none() {
            room?;
            self.shared.metrics.cold_starts.increment(1);
            waited.cold_start = Some(since.elapsed());
        }
        let ended = self.run(drive, seat, (call, waited)).await;
        match ended {
            Ok(response) => Ok(response),
            Err(failure) => Err(self.refuse(failure, &invocation_id).await),
        }
    }

    async fn run(
        &self,
        drive: Drive,
        seat: Seat,
        (call, waited): (InvokeRequest, &mut Waited),
    ) -> Result<InvokeResponse, Failure> {
        let due = drive.due;
        let timeout = drive.timeout;
        let taken = take_body(call.body, self.shared.config.request_bytes_max);
        let body =
            tokio::time::timeout_at(due.into(), taken).await.map_err(|_| Failure::Deadline(timeout))?;
        let call = Call {
            header_block: call_block(&call.headers, &call.invocation_id),
            invocation_id: call.invocation_id,
            handler: call.handler.index,
            params: call.handler.params,
            method: call.method.as_str().to_owned(),
            url: call.url,
            body,
        };
        let Finished { mut seat, answer, is_clean } = Box::pin(drive.run(seat, Some(call))).await?;
        if let Some(took) = seat.instance.as_mut().and_then(Instance::take_start) {
            waited.cold_start = Some(waited.cold_start.unwrap_or_default() + took);
        }
        let reusable = is_clean && seat.instance.as_ref().is_some_and(|instance| instance.is_reusable());
        if reusable {
            self.seats.keep(seat);
        }
        match answer {
            Some(Answer::Response { status, header_block, body }) => {
                Ok(response(status, &header_block, body))
            }
            Some(Answer::Failed(failure)) => Err(failure),
            None => Err(Failure::Crashed { message: "the call ended without an answer".to_owned() }),
        }
    }

    fn drive(&self, parts: Arc<Parts>, timeout: Duration, deadline: Option<Instant>) -> Drive {
        let now = Instant::now();
        let due = deadline.map_or(now + timeout, |deadline| deadline.min(now + timeout));
        let cpu = self.spec.capabilities.max_cpu;
        Drive {
            threads: Arc::clone(&self.shared.threads),
            turns: Arc::clone(&self.turns),
            outside: self.shared.outside.clone(),
            parts,
            due,
            timeout: due.saturating_duration_since(now),
            cpu_left: cpu,
            cpu,
            used_us: Arc::clone(&self.used_us),
        }
    }

    /// The compiled module; compiled by the first who needs it.
    async fn parts(&self) -> Result<Arc<Parts>, Failure> {
        self.parts.get_or_try_init(|| self.compile()).await.cloned()
    }

    async fn compile(&self) -> Result<Arc<Parts>, Failure> {
        let LaneSpec { version, capabilities } = &self.spec;
        let source = tokio::fs::read(&version.bundle_path).await.map_err(|error| Failure::Import {
            message: format!("the bundle could not be read: {error}"),
            stack: String::new(),
        })?;
        let compiled = self
            .shared
            .threads
            .run(move || Bytecode::compile(stack::BUNDLE, &source, Keeps::Lines))
            .outcome
            .await;
        let module = match compiled {
            Ok(Ok(module)) => module,
            Ok(Err(CompileError { message, stack })) => return Err(Failure::Import { message, stack }),
            Err(_) => return Err(Failure::Crashed { message: "the compiler panicked".to_owned() }),
        };
        let limits = [&capabilities.allowed_domains, &version.settings.allowed_hosts];
        let allowed_hosts =
            limits.into_iter().flatten().map(|hosts| Arc::new(outbound::HostSet::new(hosts))).collect();
        Ok(Arc::new(Parts {
            owner: Arc::clone(&self.owner),
            prelude: self.shared.prelude.clone(),
            module,
            handlers: Arc::clone(&version.handlers),
            env: version.env.clone(),
            capabilities: Arc::new(capabilities.clone()),
            allowed_hosts,
            report: OnceLock::new(),
        }))
    }

    /// Keeps the reason in the function's log, and tells the caller as much as it may know.
    async fn refuse(&self, failure: Failure, invocation_id: &Arc<str>) -> InvokeError {
        let map = self.map.get_or_init(|| stack::map_of(&self.spec.version.bundle_path)).await;
        let told = stack::readable(&failure.logged(), map.as_ref());
        let error_id = format!("err_{}", uuid::Uuid::now_v7().simple());
        self.owner.log(LogEntry {
            invocation_id: Some(Arc::clone(invocation_id)),
            level: LogLevel::Error,
            source: LogSource::Runtime,
            message: cut(format!("error {error_id}: {}", told.trim_end())),
            dropped: 0,
        });
        failure.into_invoke(error_id)
    }

    pub(crate) async fn retire(&self) {
        self.seats.close();
        self.calls.close();
        let patience = self.shared.config.drain_timeout;
        if tokio::time::timeout(patience, self.calls.wait()).await.is_err() {
            self.ended.cancel();
            self.calls.wait().await;
        }
        self.close();
    }

    /// Takes no more calls, and drops what is idle.
    fn close(&self) {
        self.seats.close();
        self.shared.threads.discard(self.seats.take_idle());
    }
}

/// The whole body, because the handler's is whole.
async fn take_body(body: RequestBody, bytes_max: usize) -> CallBody {
    let too_large = || CallBody::Broken(format!("the request body is larger than {bytes_max} bytes"));
    match body {
        RequestBody::Empty | RequestBody::Socket(_) => CallBody::None,
        RequestBody::Full(bytes) if bytes.len() > bytes_max => too_large(),
        RequestBody::Full(bytes) => CallBody::Whole(bytes),
        RequestBody::Stream(mut stream) => {
            let mut whole = BytesMut::new();
            while let Some(chunk) = stream.next().await {
                let Ok(chunk) = chunk else {
                    return CallBody::Broken("the request body broke off".to_owned());
                };
                if whole.len() + chunk.len() > bytes_max {
                    return too_large();
                }
                whole.extend_from_slice(&chunk);
            }
            CallBody::Whole(Bytes::from(whole))
        }
    }
}
