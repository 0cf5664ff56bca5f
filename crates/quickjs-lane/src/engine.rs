//! How an engine comes to be: runtime, context, the Web classes, and the import of the function's module.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rquickjs::context::intrinsic;
use rquickjs::runtime::UserDataGuard;
use rquickjs::{Context, Ctx, Error, Function, Object, Runtime, Value};

use crate::allocator::MeteredAllocator;
use crate::bridge::{Bridge, Owner};
use crate::bytecode::Bytecode;
use crate::capabilities::Capabilities;
use crate::entry::Entry;
use crate::memory::Meter;
use crate::natives::{self, Surroundings};

/// Of the thread's 4 MiB: native code of the engine needs some more than it counts.
const STACK_BYTES_MAX: usize = 1 << 20;
/// Rejections that are kept for a slice; one is enough to fail its call.
const REJECTIONS_MAX: usize = 16;

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
    pub(crate) handlers: Arc<[String]>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) capabilities: Arc<Capabilities>,
    pub(crate) allowed_hosts: Vec<Arc<outbound::HostSet>>,
    /// What the module says about itself, once it was imported.
    pub(crate) report: OnceLock<Bytes>,
}

/// A runtime within the limits of `meter`, with a context in which the Web classes are.
pub(crate) fn build(
    parts: &Parts,
    meter: &Arc<Meter>,
    bridge: &Arc<Bridge>,
) -> rquickjs::Result<(Runtime, Context)> {
    let runtime = Runtime::new_with_alloc(MeteredAllocator { meter: Arc::clone(meter) })?;
    runtime.set_max_stack_size(STACK_BYTES_MAX);
    let interrupting = Arc::clone(meter);
    runtime.set_interrupt_handler(Some(Box::new(move || interrupting.must_stop())));
    // Only keeps the values: a call of the engine from here would move the end of its stack.
    runtime.set_host_promise_rejection_tracker(Some(Box::new(|ctx, promise, reason, is_handled| {
        let Ok(entry) = entry(&ctx) else { return };
        let mut rejections = entry.rejections.borrow_mut();
        if is_handled {
            rejections.retain(|(known, _)| *known != promise);
        } else if rejections.len() < REJECTIONS_MAX {
            rejections.push((promise, reason));
        }
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
        loading: RefCell::default(),
        rejections: RefCell::default(),
    };
    ctx.store_userdata(entry).map(drop).map_err(|_| Error::Unknown)
}

/// Starts the import of the function's module.
pub(crate) fn import(ctx: &Ctx<'_>, parts: &Parts) -> rquickjs::Result<()> {
    let (module, promise) = parts.module.declare(ctx)?.eval()?;
    let exports = module.namespace()?;
    *entry(ctx)?.loading.borrow_mut() = Some((exports, promise));
    Ok(())
}

/// What the context keeps.
pub(crate) fn entry<'a, 'js>(ctx: &'a Ctx<'js>) -> rquickjs::Result<UserDataGuard<'a, Entry<'js>>> {
    ctx.userdata::<Entry<'js>>().ok_or(Error::Unknown)
}

/// Name with message, and the stack, of what was thrown.
pub(crate) fn explained<'js>(
    explain: &Function<'js>,
    thrown: Value<'js>,
) -> rquickjs::Result<(String, String)> {
    let texts: Vec<String> = explain.call((thrown,))?;
    let mut texts = texts.into_iter();
    Ok((texts.next().unwrap_or_default(), texts.next().unwrap_or_default()))
}
