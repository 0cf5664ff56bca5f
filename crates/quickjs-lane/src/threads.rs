//! The threads that run code. A slice that does not end in its time although it was told to (native code of the
//! engine without a check) is given up: another thread takes its place, and it ends with its slice.

use std::collections::VecDeque;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// The engine's share of it is `instance::STACK_BYTES_MAX`.
const STACK_BYTES: usize = 4 << 20;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    jobs: VecDeque<(Job, Arc<AtomicBool>)>,
    given_up: usize,
    stopping: bool,
}

struct Shared {
    state: Mutex<State>,
    ready: Condvar,
    given_up_max: usize,
}

/// A bounded number of threads.
pub(crate) struct Threads {
    shared: Arc<Shared>,
}

/// A slice on its way.
pub(crate) struct Running<T> {
    pub(crate) outcome: oneshot::Receiver<T>,
    given_up: Arc<AtomicBool>,
}

impl Threads {
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared { state: Mutex::default(), ready: Condvar::new(), given_up_max: count });
        for _ in 0..count.max(1) {
            spawn(&shared)?;
        }
        Ok(Self { shared })
    }

    /// Runs `job` on the next free thread. Its receiver fails where it panicked.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Running<T> {
        let (sender, outcome) = oneshot::channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let job: Job = Box::new(move || drop(sender.send(job())));
        self.shared.lock().jobs.push_back((job, Arc::clone(&given_up)));
        self.shared.ready.notify_one();
        Running { outcome, given_up }
    }

    /// Drops a value there: to end an engine takes as long as a call.
    pub(crate) fn discard<T: Send + 'static>(&self, value: T) {
        drop(self.run(move || drop(value)));
    }

    /// Puts another thread in the place of one whose slice does not end. As many times as there are threads.
    pub(crate) fn give_up<T>(&self, running: &Running<T>) {
        let mut state = self.shared.lock();
        if state.given_up >= self.shared.given_up_max || running.given_up.swap(true, Ordering::AcqRel) {
            return;
        }
        state.given_up += 1;
        drop(state);
        tracing::error!(
            "a slice of the QuickJS lane does not end; another thread takes the place of its own"
        );
        if let Err(error) = spawn(&self.shared) {
            tracing::error!(%error, "a thread of the QuickJS lane could not be started");
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.ready.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some((job, given_up)) = self.next() {
            if std::panic::catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a slice of the QuickJS lane panicked");
            }
            if given_up.load(Ordering::Acquire) {
                self.lock().given_up -= 1;
                return;
            }
        }
    }

    fn next(&self) -> Option<(Job, Arc<AtomicBool>)> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.stopping {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn spawn(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    let builder = thread::Builder::new().name("quickjs-lane".to_owned()).stack_size(STACK_BYTES);
    builder.spawn(move || shared.work()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_panic_takes_only_its_own_slice() {
        let threads = Threads::start(1).unwrap();
        let broken = threads.run(|| panic!("on purpose"));
        let next = threads.run(|| 7);
        assert!(broken.outcome.await.is_err());
        assert_eq!(next.outcome.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_slice_that_does_not_end_gets_a_substitute_and_takes_its_thread_along() {
        let threads = Threads::start(1).unwrap();
        let (release, held) = mpsc::channel::<()>();
        let stuck = threads.run(move || held.recv());
        let waiting = threads.run(|| 7);
        threads.give_up(&stuck);
        assert_eq!(waiting.outcome.await.unwrap(), 7);
        assert_eq!(threads.shared.lock().given_up, 1);
        release.send(()).unwrap();
        assert!(stuck.outcome.await.is_ok());
        assert_eq!(threads.run(|| 8).outcome.await.unwrap(), 8);
    }
}
