//! One engine with its globals and one imported module. Runs a slice at a time, on whichever thread has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rquickjs::promise::PromiseState;
use rquickjs::{Context, Ctx, Error, Runtime, Value};
use worker_pool::{LogLevel, LogSource};

use crate::bridge::{Answer, Bridge};
use crate::engine::{self, Parts, entry, explained};
use crate::failure::Failure;
use crate::memory::Meter;
use crate::message::Call;
use crate::operations::{Event, Operation};

/// Continuations that may follow on an answer; what is longer goes on without its instance.
const TRAILING_JOBS_MAX: usize = 1000;
/// How long they may take.
const TRAILING_TIME: Duration = Duration::from_millis(20);

/// What a slice begins with.
pub(crate) enum Input {
    /// The import; a call, if there is one, follows on it.
    Start(Option<Call>),
    Call(Call),
    Events(Vec<Event>),
}

/// How a slice ended.
pub(crate) enum End {
    /// The module is there, and there was no call.
    Ready,
    Answered(Answer),
    /// The code waits for operations.
    Waiting,
    Failed(Failure),
}

/// A slice that is over.
pub(crate) struct Slice {
    pub(crate) end: End,
    pub(crate) started: Vec<Operation>,
    pub(crate) cancelled: Vec<u32>,
    /// Whether continuations are left in the engine.
    pub(crate) is_busy: bool,
    pub(crate) took: Duration,
}

/// When code has to stop, and what the error then is.
pub(crate) struct TimeLimit {
    pub(crate) at: Instant,
    pub(crate) failure: fn(Duration) -> Failure,
    pub(crate) limit: Duration,
}

pub(crate) struct Instance {
    // In this order: the context goes before its runtime.
    context: Context,
    runtime: Runtime,
    bridge: Arc<Bridge>,
    meter: Arc<Meter>,
    call: Option<Call>,
    is_loaded: bool,
    began: Instant,
    /// From then until the module was imported; told once.
    start_took: Option<Duration>,
}

impl Instance {
    /// An engine with its globals; no code of the function has run.
    pub(crate) fn start(parts: &Parts, meter: Arc<Meter>) -> Result<Self, Failure> {
        let began = Instant::now();
        let bridge = Arc::new(Bridge::new(Arc::clone(&parts.owner)));
        let built = engine::build(parts, &meter, &bridge);
        let (runtime, context) = built.map_err(|error| match meter.stopped() {
            Some(stop) => meter.failure(stop, Failure::Deadline(Duration::ZERO)),
            None => Failure::Crashed { message: format!("no instance could be made: {error}") },
        })?;
        Ok(Self { context, runtime, bridge, meter, call: None, is_loaded: false, began, start_took: None })
    }

    /// Runs until there is an answer, or the code has to wait.
    pub(crate) fn run(&mut self, parts: &Parts, input: Input, time: &TimeLimit) -> Slice {
        let began = Instant::now();
        self.meter.arm(time.at);
        let (stepped, rejection) = {
            let context = self.context.clone();
            context.with(|ctx| {
                let stepped = self.step(&ctx, parts, input);
                (stepped.map_err(|error| self.failure_of(&ctx, error)), rejection(&ctx))
            })
        };
        let end = self.end(stepped, rejection, time);
        let (started, cancelled) = self.bridge.take_operations();
        Slice { end, started, cancelled, is_busy: self.runtime.is_job_pending(), took: began.elapsed() }
    }

    fn end(&self, stepped: Result<(), Failure>, rejection: Option<String>, time: &TimeLimit) -> End {
        let answer = self.bridge.take_answer();
        let stopped = self.meter.stopped();
        match (answer, stopped, stepped) {
            // What was answered is answered, whatever the rest of its slice did.
            (Some(answer @ Answer::Response { .. }), _, _) => {
                if let Some(reason) = rejection {
                    let text = format!("unhandled rejection: {reason}");
                    self.bridge.log(LogLevel::Error, LogSource::Runtime, text);
                }
                End::Answered(answer)
            }
            (_, Some(stop), _) => End::Failed(self.meter.failure(stop, (time.failure)(time.limit))),
            (_, None, Err(failure)) => End::Failed(failure),
            (Some(answer), None, Ok(())) => End::Answered(answer),
            (None, None, Ok(())) => match rejection {
                Some(reason) => End::Failed(Failure::Handler {
                    message: format!("unhandled rejection: {reason}"),
                    stack: String::new(),
                }),
                None if self.is_loaded && self.bridge.invocation_id().is_none() => End::Ready,
                None => End::Waiting,
            },
        }
    }

    fn step(&mut self, ctx: &Ctx<'_>, parts: &Parts, input: Input) -> Result<(), StepError> {
        match input {
            Input::Start(call) => {
                self.call = call;
                engine::import(ctx, parts)?;
            }
            Input::Call(call) => self.call = Some(call),
            Input::Events(events) => self.deliver(ctx, events)?,
        }
        self.run_jobs(ctx);
        if !self.is_loaded && !self.imported(ctx, parts)? {
            return Ok(());
        }
        if let Some(call) = self.call.take() {
            self.dispatch(ctx, call)?;
            self.run_jobs(ctx);
        }
        Ok(())
    }

    fn deliver(&self, ctx: &Ctx<'_>, events: Vec<Event>) -> Result<(), StepError> {
        let deliver = entry(ctx)?.deliver.clone();
        for Event { id, outcome } in events {
            if self.meter.must_stop() || self.bridge.is_answered() {
                break;
            }
            self.bridge.finish(id);
            deliver.call::<_, ()>((id, outcome))?;
            self.run_jobs(ctx);
        }
        Ok(())
    }

    fn dispatch(&self, ctx: &Ctx<'_>, call: Call) -> Result<(), StepError> {
        let Call { invocation_id, handler, params, method, url, header_block, body } = call;
        self.bridge.begin(invocation_id);
        let dispatch = entry(ctx)?.dispatch.clone();
        Ok(dispatch.call((handler, params, method, url, header_block, body))?)
    }

    /// Runs continuations: all there are, or a number of them once there is an answer.
    fn run_jobs(&self, ctx: &Ctx<'_>) {
        let mut trailing = TRAILING_JOBS_MAX;
        while !self.meter.must_stop() && ctx.execute_pending_job() {
            if self.bridge.is_answered() {
                if trailing == TRAILING_JOBS_MAX {
                    self.meter.arm(Instant::now() + TRAILING_TIME);
                }
                trailing -= 1;
                if trailing == 0 {
                    return;
                }
            }
        }
    }

    /// Whether the import is over, and then finds the handlers.
    fn imported(&mut self, ctx: &Ctx<'_>, parts: &Parts) -> Result<bool, StepError> {
        let entry = entry(ctx)?;
        let loading = entry.loading.borrow_mut().take();
        let Some((exports, promise)) = loading else { return Ok(false) };
        match promise.state() {
            PromiseState::Pending => {
                *entry.loading.borrow_mut() = Some((exports, promise));
                return Ok(false);
            }
            PromiseState::Rejected => {
                let thrown = promise.result::<Value<'_>>();
                let reason = match thrown {
                    Some(Err(Error::Exception)) => ctx.catch(),
                    _ => Value::new_undefined(ctx.clone()),
                };
                let (message, stack): (String, String) = explained(&entry.explain, reason)?;
                return Err(StepError::Failure(Failure::Import { message, stack }));
            }
            PromiseState::Resolved => {}
        }
        let wants_report = parts.report.get().is_none();
        let texts: Vec<String> = entry.bind.call((exports, parts.handlers.to_vec(), wants_report))?;
        let [refusal, report]: [String; 2] =
            texts.try_into().map_err(|_| StepError::Engine(Error::Unknown))?;
        if !refusal.is_empty() {
            return Err(StepError::Failure(Failure::MissingHandler { message: refusal }));
        }
        if wants_report {
            parts.report.get_or_init(|| report.into());
        }
        self.is_loaded = true;
        self.start_took = Some(self.began.elapsed());
        Ok(true)
    }

    /// How long it took to come to be, for the first who asks.
    pub(crate) fn take_start(&mut self) -> Option<Duration> {
        self.start_took.take()
    }

    fn failure_of(&self, ctx: &Ctx<'_>, error: StepError) -> Failure {
        match error {
            StepError::Failure(failure) => failure,
            StepError::Engine(Error::Exception) => {
                let thrown = ctx.catch();
                let explained = entry(ctx).ok().and_then(|entry| explained(&entry.explain, thrown).ok());
                let (message, stack) = explained.unwrap_or_default();
                if self.is_loaded {
                    Failure::Handler { message, stack }
                } else {
                    Failure::Import { message, stack }
                }
            }
            StepError::Engine(other) => Failure::Crashed { message: other.to_string() },
        }
    }

    /// Whether another call may follow.
    pub(crate) fn is_reusable(&self) -> bool {
        self.is_loaded && self.meter.stopped().is_none() && !self.meter.is_half_full()
    }
}

enum StepError {
    Failure(Failure),
    Engine(Error),
}

impl From<Error> for StepError {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// Why the first promise was rejected that nobody looked at in this slice.
fn rejection(ctx: &Ctx<'_>) -> Option<String> {
    let entry = entry(ctx).ok()?;
    let rejections = entry.rejections.take();
    let (_, reason) = rejections.into_iter().next()?;
    explained(&entry.explain, reason).ok().map(|(message, _)| message)
}
