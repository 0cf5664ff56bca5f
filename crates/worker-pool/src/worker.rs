//! One worker process as the rest of the pool sees it: slots, calls, and its end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::call::{BodyError, InvokeResponse, ResponseBody, Warmed};
use crate::calls::{Answered, CallTable, Entry, Outcome, Phase};
use crate::error::InvokeError;
use crate::frame::{ResponseHead, put_frame};
use crate::health::Health;
use crate::process::Place;
use crate::protocol::{self, ProtocolError};
use crate::state::{EndReason, Life, WorkerSnapshot, WorkerState};
use crate::stream::ResponseStream;
use crate::version::Version;

/// How long a worker may keep a call after its deadline, while it still answers pings.
const ABANDON_GRACE: Duration = Duration::from_secs(5);

/// Answer to a `LOAD` frame.
pub(crate) enum Loaded {
    /// What the bundle says about itself.
    Ready(Bytes),
    Failed(Bytes),
}

pub(crate) struct Worker {
    pub(crate) number: u64,
    pub(crate) pid: u32,
    pub(crate) place: Place,
    pub(crate) outbox: crate::outbox::Outbox,
    pub(crate) health: Mutex<Health>,
    life: Mutex<Life>,
    /// Slots that are taken. A slot is taken before the call is given, so it never goes over the limit.
    pub(crate) slots: AtomicUsize,
    pub(crate) port_calls: AtomicUsize,
    pub(crate) draining: AtomicBool,
    /// It leaves pings unanswered; calls given to it now would wait for what it computes.
    pub(crate) stalled: AtomicBool,
    pub(crate) kill: Notify,
    ended: watch::Sender<bool>,
    end: OnceLock<EndReason>,
    version: OnceLock<Arc<Version>>,
    /// Set before it is given calls.
    pub(crate) warmed: OnceLock<Warmed>,
    load: Mutex<Option<oneshot::Sender<Loaded>>>,
    calls: Mutex<CallTable>,
}

impl Worker {
    pub(crate) fn new(number: u64, pid: u32, place: Place) -> Self {
        Self {
            number,
            pid,
            place,
            outbox: crate::outbox::Outbox::default(),
            health: Mutex::default(),
            life: Mutex::new(Life::new(Instant::now())),
            slots: AtomicUsize::new(0),
            port_calls: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            kill: Notify::new(),
            ended: watch::Sender::new(false),
            end: OnceLock::new(),
            version: OnceLock::new(),
            warmed: OnceLock::new(),
            load: Mutex::new(None),
            calls: Mutex::default(),
        }
    }

    pub(crate) fn version(&self) -> Option<&Arc<Version>> {
        self.version.get()
    }

    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        self.end.get().copied()
    }

    /// It has ended: for this reason where nobody had given another one.
    pub(crate) fn ended_for(&self, reason: EndReason) -> EndReason {
        *self.end.get_or_init(|| reason)
    }

    pub(crate) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of it. `None` before its bundle is imported.
    pub(crate) fn snapshot(&self) -> Option<WorkerSnapshot> {
        let (state, times, memory_bytes) = {
            let life = self.life();
            (life.state?, life.times, life.memory_bytes)
        };
        Some(WorkerSnapshot {
            number: self.number,
            pid: self.pid,
            state,
            times,
            calls: self.calls().given(),
            in_flight: self.slots.load(Ordering::Relaxed),
            memory_bytes,
            end: if state == WorkerState::Terminated { self.end_reason() } else { None },
        })
    }

    /// Ends the process now. The first reason counts.
    pub(crate) fn end(&self, reason: EndReason) {
        self.draining.store(true, Ordering::Release);
        if self.end.set(reason).is_ok() {
            if let Some(version) = self.version() {
                version.count_cpu(self);
            }
            self.kill.notify_one();
        }
    }

    /// Nothing is left of it: the process is gone, its calls are answered, its directory is removed.
    pub(crate) fn set_ended(&self) {
        self.ended.send_replace(true);
    }

    /// Waits until nothing is left of it; returns at once where that was before.
    pub(crate) async fn has_ended(&self) {
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Gives a spare to a version; the receiver gets the answer of the import, or is dropped with the worker.
    pub(crate) fn load(&self, version: &Arc<Version>, order: &[u8]) -> oneshot::Receiver<Loaded> {
        let (answer, answered) = oneshot::channel();
        if self.version.set(Arc::clone(version)).is_ok() {
            *self.load.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
            self.outbox.push(|out| put_frame(out, protocol::LOAD, 0, order));
        }
        answered
    }

    pub(crate) fn loaded(&self, answer: Loaded) {
        if let Some(waiting) = self.load.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = waiting.send(answer);
        }
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, CallTable> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is to be given calls.
    pub(crate) fn takes_calls(&self) -> bool {
        !self.draining.load(Ordering::Acquire) && !self.stalled.load(Ordering::Acquire)
    }

    /// It answered a ping.
    pub(crate) fn pong(&self) {
        let was_stalled = {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            health.pong();
            self.stalled.swap(false, Ordering::AcqRel)
        };
        if was_stalled && let Some(version) = self.version() {
            version.slot_freed();
        }
    }

    /// Nobody waits for this call any more: the handler's signal is aborted, its slot stays taken until it ends.
    pub(crate) fn abandon(&self, id: u32) {
        {
            let mut calls = self.calls();
            let Some(entry) = calls.get_mut(id) else { return };
            if matches!(entry.phase, Phase::Background) {
                return;
            }
            entry.phase = Phase::Abandoned;
            entry.deadline.get_or_insert_with(|| Instant::now() + ABANDON_GRACE);
        }
        self.cancel(id, protocol::CANCEL_CALLER_GONE);
    }

    fn cancel(&self, id: u32, reason: u8) {
        self.outbox.push(|out| put_frame(out, protocol::CANCEL, id, &[reason]));
    }

    /// The worker has answered a call: who waits for that. It is over, unless its handler left work behind.
    pub(crate) fn answered(&self, id: u32) -> Option<Phase> {
        let answered = self.calls().answer(id)?;
        match answered {
            Answered::GoesOn(phase) => Some(phase),
            Answered::Over(mut entry) => {
                self.free_slot();
                Some(std::mem::replace(&mut entry.phase, Phase::Abandoned))
            }
        }
    }

    /// The worker says that nothing of a call is left.
    pub(crate) fn finish(&self, id: u32) -> Option<Entry> {
        let entry = self.calls().remove(id)?;
        self.free_slot();
        Some(entry)
    }

    /// A response whose body follows in chunks.
    pub(crate) fn start_stream(self: &Arc<Self>, id: u32, head: ResponseHead) {
        let (sender, chunks) = mpsc::unbounded_channel();
        let waiting = {
            let mut calls = self.calls();
            let Some(entry) = calls.get_mut(id) else { return };
            if !matches!(entry.phase, Phase::Waiting(_)) {
                return;
            }
            entry.deadline = None;
            std::mem::replace(&mut entry.phase, Phase::Streaming(sender))
        };
        let body = ResponseBody::Stream(ResponseStream::new(Arc::clone(self), id, chunks));
        let response = InvokeResponse { status: head.status, headers: head.headers, body };
        if let Phase::Waiting(caller) = waiting {
            // A caller that has gone away drops the stream here, which abandons the call.
            let _ = caller.send(Outcome::Response(response));
        }
    }

    pub(crate) fn chunk(&self, id: u32, chunk: Bytes) {
        if let Some(Entry { phase: Phase::Streaming(chunks), .. }) = self.calls().get_mut(id) {
            let _ = chunks.send(Ok(chunk));
        }
    }

    /// The worker takes more of a request body.
    pub(crate) fn granted(&self, id: u32, bytes: u32) -> Result<(), ProtocolError> {
        match self.calls().get_mut(id) {
            Some(Entry { upload: Some(upload), .. }) => upload.grant(bytes),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a call has been over its deadline for so long.
    pub(crate) fn is_overdue_by(&self, grace: Duration, now: Instant) -> bool {
        self.calls().iter_mut().any(|(_, entry)| entry.is_overdue_by(grace, now))
    }

    /// Moves the deadlines of calls that others keep from being begun: the time of a call runs from when its
    /// handler is entered.
    pub(crate) fn put_off(&self, now: Instant) {
        let begun = self.place.begun();
        for (_, entry) in self.calls().iter_mut().filter(|(id, _)| *id > begun) {
            entry.put_off(now);
        }
    }

    /// Answers the calls whose deadline has passed. Returns since when the oldest of them is overdue.
    pub(crate) fn expire(&self, now: Instant) -> Option<Duration> {
        let mut overdue = Vec::new();
        let mut longest = None;
        for (id, entry) in self.calls().iter_mut() {
            let Some(late) = entry.deadline.and_then(|deadline| now.checked_duration_since(deadline)) else {
                continue;
            };
            longest = longest.max(Some(late));
            if matches!(entry.phase, Phase::Waiting(_) | Phase::Background) {
                overdue.push((id, entry.timeout, std::mem::replace(&mut entry.phase, Phase::Abandoned)));
            }
        }
        for (id, timeout, phase) in overdue {
            self.cancel(id, protocol::CANCEL_DEADLINE);
            if let Phase::Waiting(caller) = phase {
                let _ = caller.send(Outcome::Failed(InvokeError::Timeout(timeout)));
            }
        }
        longest
    }

    /// Whether a call is so long overdue that the worker should not be kept.
    pub(crate) fn is_stuck(overdue: Option<Duration>) -> bool {
        overdue.is_some_and(|late| late > ABANDON_GRACE)
    }

    /// Takes no more calls; answers those that are left, by whether the handler had seen them.
    pub(crate) fn close(&self, begun: u32, failure: impl Fn() -> InvokeError) {
        self.draining.store(true, Ordering::Release);
        let left = self.calls().close();
        self.load.lock().unwrap_or_else(PoisonError::into_inner).take();
        let now = Instant::now();
        for (id, mut entry) in left {
            let (late, timeout) = (entry.is_overdue_by(Duration::ZERO, now), entry.timeout);
            let phase = std::mem::replace(&mut entry.phase, Phase::Abandoned);
            drop(entry);
            self.free_slot();
            match phase {
                Phase::Waiting(caller) if id > begun => drop(caller.send(Outcome::NotBegun)),
                Phase::Waiting(caller) if late => {
                    drop(caller.send(Outcome::Failed(InvokeError::Timeout(timeout))));
                }
                Phase::Waiting(caller) => drop(caller.send(Outcome::Failed(failure()))),
                Phase::Streaming(chunks) => {
                    let why = failure();
                    let is_retired = matches!(why, InvokeError::Retired);
                    drop(chunks.send(Err(BodyError { reason: why.to_string(), is_retired })));
                }
                Phase::Background | Phase::Abandoned => {}
            }
        }
    }
}
