//! One engine with its globals and one imported module. Runs a slice at a time, on whichever thread has it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rquickjs::context::intrinsic;
use rquickjs::promise::PromiseState;
use rquickjs::{ArrayBuffer, Context, Ctx, Error, Function, IntoJs, Object, Runtime, Value};
use worker_pool::{LogLevel, LogSource};

use crate::allocator::MeteredAllocator;
use crate::bridge::{Answer, Bridge, Owner};
use crate::bytecode::Bytecode;
use crate::capabilities::Capabilities;
use crate::entry::Entry;
use crate::failure::Failure;
use crate::memory::Meter;
use crate::message::{Call, CallBody, Reply, block_of};
use crate::natives::{self, Surroundings};
use crate::operations::{Event, Operation, Outcome};

/// Of the thread's 4 MiB: native code of the engine needs some more than it counts.
const STACK_BYTES_MAX: usize = 1 << 20;
/// Continuations that may follow on an answer; what is longer goes on without its instance.
const TRAILING_JOBS_MAX: usize = 1000;
/// How long they may take.
const TRAILING_TIME: Duration = Duration::from_millis(20);

/// All that the language has, but for `eval`.
type WithoutEval = (
    intrinsic::Date,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
    intrinsic::Performance,
    intrinsic::WeakRef,
    intrinsic::DOMException,
);

/// What every instance of a version is made of.
pub(crate) struct Parts {
    pub(crate) owner: Arc<Owner>,
    pub(crate) prelude: Bytecode,
    pub(crate) module: Bytecode,
    pub(crate) handler: String,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) capabilities: Arc<Capabilities>,
    pub(crate) allowed_hosts: Option<Arc<outbound::HostSet>>,
}

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
    handler: String,
    call: Option<Call>,
    is_loaded: bool,
}

impl Instance {
    /// An engine with its globals; no code of the function has run.
    pub(crate) fn start(parts: &Parts, meter: Arc<Meter>) -> Result<Self, Failure> {
        let bridge = Arc::new(Bridge::new(Arc::clone(&parts.owner)));
        let built = build(parts, &meter, &bridge);
        let (runtime, context) = built.map_err(|error| match meter.stopped() {
            Some(stop) => meter.failure(stop, Failure::Deadline(Duration::ZERO)),
            None => Failure::Crashed { message: format!("no instance could be made: {error}") },
        })?;
        let handler = parts.handler.clone();
        Ok(Self { context, runtime, bridge, meter, handler, call: None, is_loaded: false })
    }

    /// Runs until there is an answer, or the code has to wait.
    pub(crate) fn run(&mut self, parts: &Parts, input: Input, time: &TimeLimit) -> Slice {
        let began = Instant::now();
        self.meter.arm(time.at);
        let stepped = {
            let context = self.context.clone();
            context.with(|ctx| {
                let stepped = self.step(&ctx, parts, input);
                stepped.map_err(|error| self.failure_of(&ctx, error))
            })
        };
        let end = self.end(stepped, time);
        let (started, cancelled) = self.bridge.take_operations();
        Slice { end, started, cancelled, is_busy: self.runtime.is_job_pending(), took: began.elapsed() }
    }

    fn end(&self, stepped: Result<(), Failure>, time: &TimeLimit) -> End {
        let answer = self.bridge.take_answer();
        let stopped = self.meter.stopped();
        match (answer, stopped, stepped) {
            // What was answered is answered, whatever the rest of its slice did.
            (Some(answer @ Answer::Response { .. }), _, _) => {
                if let Some(reason) = self.bridge.take_rejection() {
                    let text = format!("unhandled rejection: {reason}");
                    self.bridge.log(LogLevel::Error, LogSource::Runtime, text);
                }
                End::Answered(answer)
            }
            (_, Some(stop), _) => {
                End::Failed(self.meter.failure(stop, (time.failure)(time.limit)))
            }
            (_, None, Err(failure)) => End::Failed(failure),
            (Some(answer), None, Ok(())) => End::Answered(answer),
            (None, None, Ok(())) => match self.bridge.take_rejection() {
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
                import(ctx, parts)?;
            }
            Input::Call(call) => self.call = Some(call),
            Input::Events(events) => self.deliver(ctx, events)?,
        }
        self.run_jobs(ctx);
        if !self.is_loaded && !self.imported(ctx)? {
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
            deliver.call::<_, ()>((id, outcome))?;
            self.run_jobs(ctx);
        }
        Ok(())
    }

    fn dispatch(&self, ctx: &Ctx<'_>, call: Call) -> Result<(), StepError> {
        let Call { invocation_id, method, url, header_block, body } = call;
        self.bridge.begin(invocation_id);
        let dispatch = entry(ctx)?.dispatch.clone();
        Ok(dispatch.call((method, url, header_block, body))?)
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

    /// Whether the import is over, and then finds the handler.
    fn imported(&mut self, ctx: &Ctx<'_>) -> Result<bool, StepError> {
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
                self.bridge.take_rejection();
                let (message, stack): (String, String) = explained(&entry.explain, reason)?;
                return Err(StepError::Failure(Failure::Import { message, stack }));
            }
            PromiseState::Resolved => {}
        }
        let refusal: Option<String> = entry.bind.call((exports, self.handler.as_str()))?;
        match refusal {
            Some(message) => Err(StepError::Failure(Failure::MissingHandler { message })),
            None => {
                self.is_loaded = true;
                Ok(true)
            }
        }
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

fn build(parts: &Parts, meter: &Arc<Meter>, bridge: &Arc<Bridge>) -> rquickjs::Result<(Runtime, Context)> {
    let runtime = Runtime::new_with_alloc(MeteredAllocator { meter: Arc::clone(meter) })?;
    runtime.set_max_stack_size(STACK_BYTES_MAX);
    let interrupting = Arc::clone(meter);
    runtime.set_interrupt_handler(Some(Box::new(move || interrupting.must_stop())));
    let tracking = Arc::clone(bridge);
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, is_handled| {
        let promise = identity(&promise);
        if is_handled {
            return tracking.looked_at(promise);
        }
        let text = entry(&ctx).ok().and_then(|entry| explained(&entry.explain, reason).ok());
        tracking.rejected(promise, text.map(|(message, _)| message).unwrap_or_default());
    })));
    let context = if parts.capabilities.allow_eval {
        Context::custom::<(intrinsic::Eval, WithoutEval)>(&runtime)?
    } else {
        Context::custom::<WithoutEval>(&runtime)?
    };
    context.with(|ctx| install(&ctx, parts, bridge))?;
    Ok((runtime, context))
}

fn install(ctx: &Ctx<'_>, parts: &Parts, bridge: &Arc<Bridge>) -> rquickjs::Result<()> {
    let (module, evaluated) = parts.prelude.declare(ctx)?.eval()?;
    evaluated.finish::<()>()?;
    let surroundings = Surroundings {
        bridge: Arc::clone(bridge),
        owner: Arc::clone(&parts.owner),
        capabilities: Arc::clone(&parts.capabilities),
        allowed_hosts: parts.allowed_hosts.clone(),
    };
    let environment: Vec<Vec<&str>> =
        parts.env.iter().map(|(name, value)| vec![name.as_str(), value.as_str()]).collect();
    let open: Function<'_> = module.get("open")?;
    let entrance: Object<'_> = open.call((natives::object(ctx, &surroundings)?, environment))?;
    let entry = Entry {
        bind: entrance.get("bind")?,
        dispatch: entrance.get("dispatch")?,
        deliver: entrance.get("deliver")?,
        explain: entrance.get("explain")?,
        loading: Default::default(),
    };
    ctx.store_userdata(entry).map(drop).map_err(|_| Error::Unknown)
}

fn import(ctx: &Ctx<'_>, parts: &Parts) -> Result<(), StepError> {
    let (module, promise) = parts.module.declare(ctx)?.eval()?;
    let exports = module.namespace()?;
    *entry(ctx)?.loading.borrow_mut() = Some((exports, promise));
    Ok(())
}

fn entry<'a, 'js>(ctx: &'a Ctx<'js>) -> rquickjs::Result<rquickjs::runtime::UserDataGuard<'a, Entry<'js>>> {
    ctx.userdata::<Entry<'js>>().ok_or(Error::Unknown)
}

fn explained<'js>(explain: &Function<'js>, thrown: Value<'js>) -> rquickjs::Result<(String, String)> {
    let texts: Vec<String> = explain.call((thrown,))?;
    let mut texts = texts.into_iter();
    Ok((texts.next().unwrap_or_default(), texts.next().unwrap_or_default()))
}

/// Tells promises apart as long as they live.
fn identity(promise: &Value<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    promise.hash(&mut hasher);
    hasher.finish()
}

impl<'js> IntoJs<'js> for CallBody {
    fn into_js(self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        match self {
            Self::None => Ok(Value::new_undefined(ctx.clone())),
            Self::Whole(bytes) => buffer_of(ctx, &bytes),
            Self::Broken(reason) => reason.into_js(ctx),
        }
    }
}

impl<'js> IntoJs<'js> for Outcome {
    fn into_js(self, ctx: &Ctx<'js>) -> rquickjs::Result<Value<'js>> {
        match self {
            Self::Elapsed => Ok(Value::new_undefined(ctx.clone())),
            Self::Failed(message) => message.into_js(ctx),
            Self::Replied(Reply { status, headers, body, url, redirected }) => {
                let values = vec![
                    status.as_u16().into_js(ctx)?,
                    block_of(&headers).into_js(ctx)?,
                    buffer_of(ctx, &body)?,
                    url.into_js(ctx)?,
                    redirected.into_js(ctx)?,
                ];
                values.into_js(ctx)
            }
        }
    }
}

fn buffer_of<'js>(ctx: &Ctx<'js>, bytes: &Bytes) -> rquickjs::Result<Value<'js>> {
    Ok(ArrayBuffer::new_copy(ctx.clone(), bytes)?.into_value())
}
