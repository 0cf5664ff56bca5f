//! The classes and functions that every instance has: the files of `js/`, joined into one module in the order in
//! which they need each other.

use crate::bytecode::{Bytecode, Keeps};
use crate::config::LaneError;

const SOURCE: &str = concat!(
    include_str!("js/base.js"),
    include_str!("js/events.js"),
    include_str!("js/timers.js"),
    include_str!("js/encoding.js"),
    include_str!("js/headers.js"),
    include_str!("js/url.js"),
    include_str!("js/body.js"),
    include_str!("js/messages.js"),
    include_str!("js/calls.js"),
    include_str!("js/crypto.js"),
    include_str!("js/inspect.js"),
    include_str!("js/console.js"),
    include_str!("js/clone.js"),
    include_str!("js/dispatch.js"),
);

/// Compiles it.
pub(crate) fn compile() -> Result<Bytecode, LaneError> {
    Bytecode::compile("bunbase:runtime", SOURCE.as_bytes(), Keeps::Nothing)
        .map_err(|error| LaneError::Prelude(format!("{} {}", error.message, error.stack)))
}
