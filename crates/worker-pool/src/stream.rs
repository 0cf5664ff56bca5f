//! A streamed response body.
use crate::call::BodyError;
use bytes::Bytes;
use std::task::{Context, Poll};

/// Chunks of a response as the handler produces them.
#[derive(Debug)]
pub struct ResponseStream {}
impl ResponseStream {
    pub(crate) fn poll_chunk(
        &mut self,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(None)
    }
}
