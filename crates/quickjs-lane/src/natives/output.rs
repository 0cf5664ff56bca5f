//! The answer of a handler, its errors, and lines of its log.

use std::sync::Arc;

use bytes::Bytes;
use rquickjs::prelude::Func;
use rquickjs::{Object, Result, TypedArray, Value};
use worker_pool::{LogLevel, LogSource};

use crate::bridge::{Answer, Bridge};
use crate::bytes_of::bytes_of;
use crate::failure::Failure;

/// `NO_RESPONSE` of `js/dispatch.js`.
const NO_RESPONSE: u32 = 2;

pub(super) fn offer(object: &Object<'_>, bridge: &Arc<Bridge>) -> Result<()> {
    let to = Arc::clone(bridge);
    object.set(
        "answer",
        Func::from(move |status: u16, header_block: String, body: Value<'_>| {
            let body = body_of(&body)?;
            to.answer(Answer::Response { status, header_block, body });
            Ok::<(), rquickjs::Error>(())
        }),
    )?;
    let to = Arc::clone(bridge);
    object.set(
        "fail",
        Func::from(move |kind: u32, message: String, stack: String| {
            to.answer(Answer::Failed(match kind {
                NO_RESPONSE => Failure::NoResponse { message },
                _ => Failure::Handler { message, stack },
            }));
        }),
    )?;
    let to = Arc::clone(bridge);
    object.set(
        "log",
        Func::from(move |level: u32, text: String| {
            let level = match level {
                0 => LogLevel::Debug,
                1 => LogLevel::Info,
                2 => LogLevel::Warn,
                _ => LogLevel::Error,
            };
            to.log(level, LogSource::Console, text);
        }),
    )
}

fn body_of(value: &Value<'_>) -> Result<Bytes> {
    if let Some(text) = value.as_string() {
        return Ok(text.to_string()?.into());
    }
    let Some(object) = value.as_object() else { return Ok(Bytes::new()) };
    Ok(bytes_of(&TypedArray::<u8>::from_object(object.clone())?).into())
}
