//! A streamed request body on its way into a worker: reads from its source only what the worker has granted.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use crate::call::BoxError;
use crate::frame::put_frame;
use crate::protocol::{self, CHUNK_BYTES_MAX, ProtocolError, STREAM_WINDOW_BYTES};
use crate::worker::Worker;

/// Credit of one request body, in bytes, and the task that spends it.
pub(crate) struct Upload {
    credit: Semaphore,
    pump: Mutex<Option<AbortHandle>>,
}

impl Upload {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { credit: Semaphore::new(0), pump: Mutex::new(None) })
    }

    /// The worker takes `bytes` more, of which it never has more open than a window.
    pub(crate) fn grant(&self, bytes: u32) -> Result<(), ProtocolError> {
        if self.credit.available_permits() + bytes as usize > STREAM_WINDOW_BYTES {
            return Err(ProtocolError("credit over the window"));
        }
        self.credit.add_permits(bytes as usize);
        Ok(())
    }

    /// Waits for the first credit: the handler was entered. `false` where the call ended before.
    pub(crate) async fn begun(&self) -> bool {
        self.credit.acquire().await.is_ok()
    }

    /// Starts to send `source` as far as there is credit.
    pub(crate) fn start(
        self: &Arc<Self>,
        worker: Arc<Worker>,
        call: u32,
        source: BoxStream<'static, Result<Bytes, BoxError>>,
    ) {
        let upload = Arc::clone(self);
        let task = tokio::spawn(async move { upload.pump(&worker, call, source).await });
        *self.pump.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
        if self.credit.is_closed() {
            self.stop();
        }
    }

    /// The call is over: what was not sent is not wanted.
    pub(crate) fn stop(&self) {
        self.credit.close();
        if let Some(task) = self.pump.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    async fn pump(
        &self,
        worker: &Worker,
        call: u32,
        mut source: BoxStream<'static, Result<Bytes, BoxError>>,
    ) {
        loop {
            if !self.begun().await {
                return;
            }
            let Some(next) = source.next().await else {
                return worker.outbox.push(|out| put_frame(out, protocol::REQUEST_END, call, &[]));
            };
            let Ok(mut bytes) = next else {
                let reason = [protocol::CANCEL_BODY_BROKEN];
                return worker.outbox.push(|out| put_frame(out, protocol::CANCEL, call, &reason));
            };
            while !bytes.is_empty() {
                let chunk = bytes.split_to(bytes.len().min(CHUNK_BYTES_MAX));
                let Ok(permits) = self.credit.acquire_many(chunk.len() as u32).await else { return };
                permits.forget();
                worker.outbox.push(|out| put_frame(out, protocol::REQUEST_CHUNK, call, &chunk));
            }
        }
    }
}
