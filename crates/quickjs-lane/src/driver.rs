//! Runs one call, or one import: slices on the threads, and between them the operations that the code started.
//! Dropping the future ends both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::bridge::Answer;
use crate::engine::Parts;
use crate::failure::Failure;
use crate::instance::{End, Input, Instance, Slice, TimeLimit};
use crate::memory::Meter;
use crate::message::Call;
use crate::operations::{Operations, Outside};
use crate::seats::Seat;
use crate::threads::Threads;

/// Code stops within a millisecond of its time. Where it has not by then, native code holds the thread.
const STUCK_AFTER: Duration = Duration::from_millis(500);

/// What a drive needs.
pub(crate) struct Drive {
    pub(crate) threads: Arc<Threads>,
    /// Threads that the project may have at once.
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) outside: Outside,
    pub(crate) parts: Arc<Parts>,
    /// When the answer is due.
    pub(crate) due: Instant,
    /// From the start until then.
    pub(crate) timeout: Duration,
    /// Processor time that is left.
    pub(crate) cpu_left: Duration,
    pub(crate) cpu: Duration,
    /// Microseconds that calls of the version had a thread.
    pub(crate) used_us: Arc<AtomicU64>,
}

/// A call or an import that ended by itself.
pub(crate) struct Finished {
    pub(crate) seat: Seat,
    /// `None` of an import.
    pub(crate) answer: Option<Answer>,
    /// Whether it left nothing behind.
    pub(crate) is_clean: bool,
}

impl Drive {
    pub(crate) async fn run(mut self, mut seat: Seat, call: Option<Call>) -> Result<Finished, Failure> {
        let mut operations = Operations::default();
        let mut input = match (&seat.instance, call) {
            (Some(_), Some(call)) => Input::Call(call),
            (_, call) => Input::Start(call),
        };
        loop {
            let (back, slice) = self.slice(seat, input).await?;
            seat = back;
            self.cpu_left = self.cpu_left.saturating_sub(slice.took);
            let took_us = u64::try_from(slice.took.as_micros()).unwrap_or(u64::MAX);
            self.used_us.fetch_add(took_us, Ordering::Relaxed);
            for id in slice.cancelled {
                operations.cancel(id);
            }
            let is_clean = !slice.is_busy && slice.started.iter().all(crate::operations::Operation::is_weak);
            match slice.end {
                End::Ready => return Ok(Finished { seat, answer: None, is_clean: true }),
                End::Answered(answer) => {
                    let is_clean = is_clean && !operations.are_open();
                    return Ok(Finished { seat, answer: Some(answer), is_clean });
                }
                End::Failed(failure) => return Err(failure),
                End::Waiting => {}
            }
            for operation in slice.started {
                operations.start(operation, &self.outside);
            }
            let events = operations.next(self.due).await;
            input = Input::Events(events.ok_or(Failure::Deadline(self.timeout))?);
        }
    }

    async fn slice(&self, seat: Seat, input: Input) -> Result<(Seat, Slice), Failure> {
        let turn = tokio::time::timeout_at(self.due.into(), Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Failure::Deadline(self.timeout)) };
        let time = self.time_limit();
        let stuck_at = time.at + STUCK_AFTER;
        let mut guard = AbandonOnDrop(Some(Arc::clone(&seat.meter)));
        let parts = Arc::clone(&self.parts);
        let mut running = self.threads.run(move || {
            // Given back when the slice is over, also where nobody waits for it.
            let _turn = turn;
            run_slice(seat, &parts, input, &time)
        });
        match tokio::time::timeout_at(stuck_at.into(), &mut running.outcome).await {
            Ok(Ok(ended)) => {
                guard.0 = None;
                ended
            }
            Ok(Err(_)) => Err(Failure::Crashed { message: "the engine panicked".to_owned() }),
            Err(_) => {
                self.threads.give_up(&running);
                Err(Failure::Deadline(self.timeout))
            }
        }
    }

    fn time_limit(&self) -> TimeLimit {
        let cpu_at = Instant::now() + self.cpu_left;
        if cpu_at < self.due {
            TimeLimit { at: cpu_at, failure: Failure::Processor, limit: self.cpu }
        } else {
            TimeLimit { at: self.due, failure: Failure::Deadline, limit: self.timeout }
        }
    }
}

fn run_slice(
    mut seat: Seat,
    parts: &Parts,
    input: Input,
    time: &TimeLimit,
) -> Result<(Seat, Slice), Failure> {
    let mut instance = match seat.instance.take() {
        Some(instance) => instance,
        None => {
            seat.meter.arm(time.at);
            Instance::start(parts, Arc::clone(&seat.meter))?
        }
    };
    let slice = instance.run(parts, input, time);
    seat.instance = Some(instance);
    Ok((seat, slice))
}

/// Tells running code that nobody waits for it any more.
struct AbandonOnDrop(Option<Arc<Meter>>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        if let Some(meter) = &self.0 {
            meter.abandon();
        }
    }
}
