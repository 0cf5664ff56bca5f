//! What the supervisor knows of one worker: its ping, its memory, its processor time, how long it has been idle.

use std::time::{Duration, Instant};

/// Between the answer to a ping and the next ping of a busy worker.
const PING_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Looks since a ping was sent that has no answer yet.
    silent_looks: Option<u32>,
    ping_answered: Option<Instant>,
    idle_since: Option<Instant>,
    calls_seen: u32,
}

impl Health {
    /// Whether a ping is to be sent now.
    pub(crate) fn ping_due(&mut self, now: Instant) -> bool {
        let rested = self.ping_answered.is_none_or(|answered| now.duration_since(answered) >= PING_INTERVAL);
        let due = self.silent_looks.is_none() && rested;
        if due {
            self.silent_looks = Some(0);
        }
        due
    }

    pub(crate) fn pong(&mut self) {
        self.silent_looks = None;
        self.ping_answered = Some(Instant::now());
    }

    /// For how many looks, this one included, a ping has been waiting for its answer. Looks and not time: where
    /// the whole machine stood still, the worker had no chance to answer, and this process none to look.
    pub(crate) fn look(&mut self) -> u32 {
        self.silent_looks = self.silent_looks.map(|looks| looks.saturating_add(1));
        self.silent_looks()
    }

    /// The same, without counting a look.
    pub(crate) fn silent_looks(&self) -> u32 {
        self.silent_looks.unwrap_or(0)
    }

    /// How long the worker has had no call, judged at each look at it.
    pub(crate) fn idle_for(&mut self, now: Instant, calls_given: u32) -> Duration {
        if self.calls_seen != calls_given {
            self.calls_seen = calls_given;
            self.idle_since = None;
        }
        now.saturating_duration_since(*self.idle_since.get_or_insert(now))
    }

    pub(crate) fn busy(&mut self) {
        self.idle_since = None;
    }
}

/// Anonymous memory of a process in bytes, from `/proc/<pid>/statm` (resident less shared pages).
pub(crate) fn anonymous_bytes(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut pages = statm.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().ok());
    let (resident, shared) = (pages.next()??, pages.next()??);
    Some(resident.saturating_sub(shared) * rustix::param::page_size() as u64)
}

/// Processor time that a process has used, all its threads together, from `/proc/<pid>/stat` (`utime` and `stime` of
/// proc_pid_stat(5), in ticks of usually 10 ms).
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program may have spaces and brackets in it; what is counted begins behind it.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut ticks = behind_name.split_ascii_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    let ticks = ticks.next()?? + ticks.next()??;
    Some(Duration::from_micros(ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_ping_waits_for_the_answer_to_the_first() {
        let mut health = Health::default();
        let start = Instant::now();
        assert!(health.ping_due(start));
        assert!(!health.ping_due(start + Duration::from_secs(1)));
        assert_eq!((health.look(), health.look()), (1, 2));
        health.pong();
        assert_eq!(health.look(), 0);
        assert!(!health.ping_due(Instant::now()));
        assert!(health.ping_due(Instant::now() + PING_INTERVAL));
    }

    #[test]
    fn a_call_between_two_looks_ends_the_idle_time() {
        let mut health = Health::default();
        let start = Instant::now();
        assert_eq!(health.idle_for(start, 1), Duration::ZERO);
        assert_eq!(health.idle_for(start + Duration::from_secs(2), 1), Duration::from_secs(2));
        assert_eq!(health.idle_for(start + Duration::from_secs(3), 2), Duration::ZERO);
    }

    #[test]
    fn anonymous_memory_of_this_process_is_seen() {
        assert!(anonymous_bytes(std::process::id()).is_some_and(|bytes| bytes > 0));
    }

    #[test]
    fn processor_time_of_this_process_grows_while_it_computes() {
        let before = cpu_time(std::process::id()).unwrap();
        let since = Instant::now();
        while cpu_time(std::process::id()).unwrap() <= before {
            assert!(since.elapsed() < Duration::from_secs(10), "no tick was counted");
        }
        assert_eq!(cpu_time(u32::MAX), None);
    }
}
