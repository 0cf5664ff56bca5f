//! Bodies and outcomes as values of an instance.

use bytes::Bytes;
use rquickjs::{ArrayBuffer, Ctx, IntoJs, Result, Value};

use crate::message::{CallBody, Reply, block_of};
use crate::operations::Outcome;

impl<'js> IntoJs<'js> for CallBody {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
        match self {
            Self::None => Ok(Value::new_undefined(ctx.clone())),
            Self::Whole(bytes) => buffer_of(ctx, &bytes),
            Self::Broken(reason) => reason.into_js(ctx),
        }
    }
}

impl<'js> IntoJs<'js> for Outcome {
    fn into_js(self, ctx: &Ctx<'js>) -> Result<Value<'js>> {
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

fn buffer_of<'js>(ctx: &Ctx<'js>, bytes: &Bytes) -> Result<Value<'js>> {
    Ok(ArrayBuffer::new_copy(ctx.clone(), bytes)?.into_value())
}
