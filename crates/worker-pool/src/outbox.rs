//! Frames on their way to a worker. Whoever has a frame appends it; one writer task takes all that has gathered
//! and gives it to the socket in one write.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::Notify;

/// Buffers above this are given back after a burst.
const KEEP_BYTES: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<BytesMut>,
    ready: Notify,
}

impl Outbox {
    fn waiting(&self) -> MutexGuard<'_, BytesMut> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what `write` puts into the buffer.
    pub(crate) fn push(&self, write: impl FnOnce(&mut BytesMut)) {
        let was_empty = {
            let mut waiting = self.waiting();
            let was_empty = waiting.is_empty();
            write(&mut waiting);
            was_empty
        };
        if was_empty {
            self.ready.notify_one();
        }
    }

    /// Writes until the socket fails. The reading side notices the end of the worker. `is_shared` says whether
    /// frames of others may be on their way too.
    pub(crate) async fn run(&self, mut socket: OwnedWriteHalf, is_shared: impl Fn() -> bool) {
        let mut batch = BytesMut::new();
        loop {
            self.ready.notified().await;
            // The writer is woken by the first frame and would run next. Behind those who are ready now, it
            // finds their frames gathered: one write for all of them. Where there is nobody else, standing back
            // costs a look at every socket and wakes another thread.
            if is_shared() {
                tokio::task::yield_now().await;
            }
            std::mem::swap(&mut batch, &mut *self.waiting());
            if socket.write_all(&batch).await.is_err() {
                return;
            }
            if batch.capacity() > KEEP_BYTES {
                batch = BytesMut::new();
            }
            batch.clear();
        }
    }
}
