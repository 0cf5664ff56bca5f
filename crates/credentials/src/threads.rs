//! Threads for work that takes a core for tens of milliseconds. They have a lower priority than all others: while
//! every one of them is busy, requests that need a core for microseconds are served first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// Nice value of the threads (sched(7)): a third of the weight of an ordinary thread. With 10, a tenth, a server
/// that readers kept busy hardly let anybody sign in.
pub(crate) const NICE: i32 = 5;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads; they end when this is dropped.
pub(crate) struct Threads {
    jobs: Sender<Job>,
}

impl Threads {
    pub(crate) fn start(number: usize) -> Self {
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..number {
            let waiting = waiting.clone();
            std::thread::spawn(move || work(&waiting));
        }
        Self { jobs }
    }

    /// Runs a job on the next thread that is free.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // The receiver lives as long as a thread does, and threads outlive every job.
        let _ = self.jobs.send(Box::new(job));
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    if let Err(error) = step_back() {
        tracing::debug!(%error, "the priority of a hashing thread could not be lowered");
    }
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a job of a hashing thread panicked");
        }
    }
}

/// On Linux the priority is the calling thread's alone. One that is lower already stays.
fn step_back() -> rustix::io::Result<()> {
    let now = rustix::process::getpriority_process(None)?;
    if now < NICE { rustix::process::setpriority_process(None, NICE) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_run_at_a_lower_priority_and_one_that_panics_takes_no_thread_along() {
        let threads = Threads::start(1);
        let (tell, told) = channel();
        threads.run(|| panic!("a job that fails"));
        threads.run(move || tell.send(rustix::process::getpriority_process(None).unwrap()).unwrap());
        assert!(told.recv().unwrap() >= NICE);
    }
}
