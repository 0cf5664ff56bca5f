//! Timers, calls of the server's services, and `fetch`: started here, run between two slices.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use outbound::{OutboundRequest, RedirectMode};
use rquickjs::prelude::Func;
use rquickjs::{Ctx, Exception, Object, Result, TypedArray};
use worker_pool::PortCall;

use super::Surroundings;
use crate::bridge::Bridge;
use crate::bytes_of::bytes_of;
use crate::message::headers_of;
use crate::operations::Operation;

const PORT_BODY_BYTES_MAX: usize = 16 << 20;

pub(super) fn offer(object: &Object<'_>, surroundings: &Surroundings) -> Result<()> {
    let bridge = Arc::clone(&surroundings.bridge);
    object.set(
        "timer",
        Func::from(move |ctx: Ctx<'_>, id: u32, after_ms: f64, weak: bool| {
            let after = Duration::try_from_secs_f64(after_ms / 1000.0).unwrap_or_default();
            start(&ctx, &bridge, Operation::Timer { id, after, weak })
        }),
    )?;
    let bridge = Arc::clone(&surroundings.bridge);
    object.set("cancel", Func::from(move |id: u32| bridge.cancel(id)))?;
    let from = surroundings.clone();
    object.set(
        "port",
        Func::from(move |ctx: Ctx<'_>, id: u32, head: Vec<String>, body: TypedArray<'_, u8>| {
            port(&ctx, &from, id, parts(&ctx, head)?, &body)
        }),
    )?;
    let from = surroundings.clone();
    object.set(
        "fetch",
        Func::from(move |ctx: Ctx<'_>, id: u32, head: Vec<String>, body: TypedArray<'_, u8>| {
            fetch(&ctx, &from, id, parts(&ctx, head)?, &body)
        }),
    )
}

fn start(ctx: &Ctx<'_>, bridge: &Bridge, operation: Operation) -> Result<()> {
    bridge.start(operation).map_err(|reason| Exception::throw_range(ctx, &reason))
}

fn parts<const N: usize>(ctx: &Ctx<'_>, head: Vec<String>) -> Result<[String; N]> {
    head.try_into().map_err(|_| Exception::throw_type(ctx, "the head of the call is not whole"))
}

fn port(
    ctx: &Ctx<'_>,
    from: &Surroundings,
    id: u32,
    [method, path, header_block]: [String; 3],
    body: &TypedArray<'_, u8>,
) -> Result<()> {
    let method = method_of(ctx, &method)?;
    if !path.starts_with('/') {
        return Err(Exception::throw_type(ctx, "the path of a call starts with /"));
    }
    if body.len() > PORT_BODY_BYTES_MAX {
        return Err(Exception::throw_range(ctx, &format!("the body is over {PORT_BODY_BYTES_MAX} bytes")));
    }
    let call = PortCall {
        project: Arc::clone(&from.owner.project),
        version: Arc::clone(&from.owner.version),
        invocation_id: from.bridge.invocation_id(),
        method,
        path,
        headers: headers_of(&header_block),
        body: bytes_of(body).into(),
    };
    start(ctx, &from.bridge, Operation::Port { id, call })
}

fn fetch(
    ctx: &Ctx<'_>,
    from: &Surroundings,
    id: u32,
    [method, url, header_block, redirect]: [String; 4],
    body: &TypedArray<'_, u8>,
) -> Result<()> {
    if !from.capabilities.allow_network {
        return Err(Exception::throw_type(ctx, "fetch is not allowed: declare the capability allow_network"));
    }
    let url = url.parse().map_err(|_| Exception::throw_type(ctx, "Invalid URL"))?;
    let request = OutboundRequest {
        method: method_of(ctx, &method)?,
        url,
        headers: headers_of(&header_block),
        body: bytes_of(body).into(),
        redirect: match redirect.as_str() {
            "manual" => RedirectMode::Manual,
            "error" => RedirectMode::Refuse,
            _ => RedirectMode::Follow,
        },
        allowed_hosts: from.allowed_hosts.clone(),
        timeout: None,
    };
    start(ctx, &from.bridge, Operation::Fetch { id, request })
}

fn method_of(ctx: &Ctx<'_>, method: &str) -> Result<Method> {
    Method::from_bytes(method.as_bytes()).map_err(|_| Exception::throw_type(ctx, "the method is not valid"))
}
