//! A streamed response body. What the consumer has taken is granted to the worker again, so at most a window
//! of bytes waits here.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::call::BodyError;
use crate::frame::put_frame;
use crate::protocol::{self, STREAM_WINDOW_BYTES};
use crate::worker::Worker;

/// Chunks of a response as the handler produces them. Dropping it before the end aborts the call.
pub struct ResponseStream {
    chunks: mpsc::UnboundedReceiver<Result<Bytes, BodyError>>,
    worker: Arc<Worker>,
    call: u32,
    taken_bytes: usize,
    ended: bool,
}

impl std::fmt::Debug for ResponseStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ResponseStream").field("call", &self.call).finish_non_exhaustive()
    }
}

impl ResponseStream {
    pub(crate) fn new(
        worker: Arc<Worker>,
        call: u32,
        chunks: mpsc::UnboundedReceiver<Result<Bytes, BodyError>>,
    ) -> Self {
        Self { chunks, worker, call, taken_bytes: 0, ended: false }
    }

    pub(crate) fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(self.chunks.poll_recv(context));
        match &next {
            Some(Ok(chunk)) => self.grant(chunk.len()),
            Some(Err(_)) | None => self.ended = true,
        }
        Poll::Ready(next)
    }

    /// Credit goes back in halves of a window: few frames, and the worker never runs dry.
    fn grant(&mut self, bytes: usize) {
        self.taken_bytes += bytes;
        if self.taken_bytes >= STREAM_WINDOW_BYTES / 2 {
            let credit = (self.taken_bytes as u32).to_le_bytes();
            self.taken_bytes = 0;
            self.worker.outbox.push(|out| put_frame(out, protocol::RESPONSE_CREDIT, self.call, &credit));
        }
    }
}

impl Drop for ResponseStream {
    fn drop(&mut self) {
        if !self.ended {
            self.worker.abandon(self.call);
        }
    }
}
