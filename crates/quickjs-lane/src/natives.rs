//! What Rust offers to `js/`, as one object. Functions get strings that are well formed and bytes as `Uint8Array`:
//! `js/` sees to that, and user code never sees the object.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands parameters over by value")]

mod calls;
mod codec;
mod crypto;
mod output;
mod url;

use std::sync::Arc;

use rquickjs::{ArrayBuffer, Ctx, Object, Result};

use crate::bridge::{Bridge, Owner};
use crate::capabilities::Capabilities;

/// What the functions need to know of their instance.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) owner: Arc<Owner>,
    pub(crate) capabilities: Arc<Capabilities>,
    /// `fetch` reaches what is in each of them.
    pub(crate) allowed_hosts: Vec<Arc<outbound::HostSet>>,
}

/// The object.
pub(crate) fn object<'js>(ctx: &Ctx<'js>, surroundings: &Surroundings) -> Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set("fetchesMax", surroundings.capabilities.max_file_descriptors)?;
    output::offer(&object, &surroundings.bridge)?;
    calls::offer(&object, surroundings)?;
    codec::offer(&object)?;
    crypto::offer(&object)?;
    url::offer(&object)?;
    Ok(object)
}

/// Bytes for the instance, in memory that its meter counts.
fn buffer<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> Result<ArrayBuffer<'js>> {
    ArrayBuffer::new_copy(ctx.clone(), bytes)
}
