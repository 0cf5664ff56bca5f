//! The stages in front of and behind a handler of an application of actions, as plain code: starts no worker, has no
//! routes, and knows the tables of an application as a [`Directory`](directory::Directory).
//!
//! The order of one execution:
//!
//! 1. [`strip`] takes out of a request what only this crate may say. Trace id and invocation id are made by the caller.
//! 2. [`Application::admit`]: who calls (cookie, bearer token, API key, or as the trigger says), CSRF, then the guards
//!    in their order up to the first that is a function. Nothing of the body has been read.
//! 3. The caller reads the body where [`Admitted::wants_body`] says so, up to `max_body_bytes`.
//! 4. [`Admitted::prepare`]: the input is put together, coerced, given its defaults and checked. The result is the
//!    context header, and a body where that is another one than came.
//! 5. The handler runs in Bun: further guards, each built-in one through [`Application::guard`]; the check of inputs
//!    that are not checked here; attempts; the check of the output.
//! 6. [`Application::after`] takes the sessions that the handler made out of its answer. The caller adds the headers
//!    of [`Before`].
//!
//! What must hold: a call that a guard refuses never reaches Bun; a field that comes with a header, a cookie or the path
//! is never taken from a body; secrets are in no log, no error and no manifest that is stored.

mod admitted;
mod answer;
mod application;
mod coerce;
mod context;
mod csrf;
pub mod directory;
mod guards;
mod identity;
mod input;
#[cfg(test)]
mod memory;
mod openapi;
mod permissions;
mod recent;
pub mod schema;
mod session;
pub mod spec;
mod state;
pub mod tables;

pub use answer::SESSION_HEADER;
pub use application::{Admitted, Application, Before, Call, GuardAnswer, GuardRequest, Taken, Trail, strip};
pub use context::{CONTEXT_HEADER, EventContext, JobContext, TriggerKind};
pub use guards::{CountsAway, Refused, SharedCounts};
pub use identity::API_KEY_PREFIX;
pub use openapi::published;
pub use permissions::allows;
pub use state::{Auth, AuthKind, AuthState, Org};
