//! Which planned times of a schedule fire now, by its policy for missed ones.

use super::{CatchUp, Schedule};
use crate::error::JobsError;

/// How late a time may be and still counts as in time.
const GRACE_MS: i64 = 60_000;

/// What a schedule has to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Due {
    /// Planned times that fire, oldest first.
    pub(crate) fire: Vec<i64>,
    /// The last planned time that is left out, if there is one.
    pub(crate) missed: Option<i64>,
    /// The next planned time.
    pub(crate) next: Option<i64>,
}

/// What is due of `schedule` at `now_ms`, which is without its share of jitter.
pub(crate) fn due(schedule: &Schedule, now_ms: i64) -> Result<Due, JobsError> {
    let times = schedule.saved.when.times(schedule.anchor_ms)?;
    let Some(first) = schedule.next_at_ms.filter(|first| *first <= now_ms) else {
        return Ok(Due { fire: Vec::new(), missed: None, next: schedule.next_at_ms });
    };
    let wanted = match schedule.saved.catch_up {
        CatchUp::None | CatchUp::Last => 1,
        CatchUp::All { max } => max as usize,
    };
    let newest = times.last(now_ms).unwrap_or(first).max(first);
    let back = std::iter::successors(Some(newest), |later| times.last(later - 1));
    let mut passed: Vec<i64> = back.take_while(|at| *at >= first).take(wanted + 1).collect();
    let missed_one = (passed.len() > wanted).then(|| passed.pop()).flatten();
    passed.reverse();
    let next = times.next(newest.max(now_ms));
    let too_late = schedule.saved.catch_up == CatchUp::None && now_ms - newest > GRACE_MS;
    if too_late {
        return Ok(Due { fire: Vec::new(), missed: Some(newest), next });
    }
    Ok(Due { fire: passed, missed: missed_one, next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobOptions, JobSpec};
    use crate::names::{QueueName, ScheduleName};
    use crate::schedule::{NewSchedule, When};
    use bytes::Bytes;

    const MINUTE: i64 = 60_000;

    /// Every minute; the next time is at minute 10.
    fn schedule(catch_up: CatchUp) -> Schedule {
        let queue = QueueName::parse("q").unwrap();
        let job = JobSpec { queue, payload: Bytes::new(), options: JobOptions::default() };
        let name = ScheduleName::parse("s").unwrap();
        let saved =
            NewSchedule { catch_up, ..NewSchedule::new(name, When::Every { interval_ms: 60_000 }, job) };
        let next_at_ms = Some(10 * MINUTE);
        Schedule { saved, paused: false, next_at_ms, last_at_ms: None, created_at_ms: 0, anchor_ms: 0 }
    }

    fn minutes(fire: &[i64]) -> Vec<i64> {
        fire.iter().map(|at| at / MINUTE).collect()
    }

    #[test]
    fn nothing_fires_before_its_time() {
        let found = due(&schedule(CatchUp::Last), 10 * MINUTE - 1).unwrap();
        assert_eq!(found, Due { fire: vec![], missed: None, next: Some(10 * MINUTE) });
    }

    #[test]
    fn in_time_every_policy_fires_once() {
        for policy in [CatchUp::None, CatchUp::Last, CatchUp::All { max: 5 }] {
            let found = due(&schedule(policy), 10 * MINUTE + 500).unwrap();
            assert_eq!(found, Due { fire: vec![10 * MINUTE], missed: None, next: Some(11 * MINUTE) });
        }
    }

    #[test]
    fn after_a_downtime_the_policy_decides() {
        let now = 20 * MINUTE + 30_000;
        let last = due(&schedule(CatchUp::Last), now).unwrap();
        assert_eq!((minutes(&last.fire), last.missed), (vec![20], Some(19 * MINUTE)));
        let all = due(&schedule(CatchUp::All { max: 100 }), now).unwrap();
        assert_eq!((minutes(&all.fire), all.missed), ((10..=20).collect(), None));
        let some = due(&schedule(CatchUp::All { max: 3 }), now).unwrap();
        assert_eq!((minutes(&some.fire), some.missed), (vec![18, 19, 20], Some(17 * MINUTE)));
        let none = due(&schedule(CatchUp::None), now).unwrap();
        assert_eq!((minutes(&none.fire), none.missed), (vec![20], Some(19 * MINUTE)));
        assert!([last, all, some, none].iter().all(|found| found.next == Some(21 * MINUTE)));
    }

    #[test]
    fn without_catching_up_a_time_that_is_long_over_is_left_out() {
        let mut hourly = schedule(CatchUp::None);
        hourly.saved.when = When::Every { interval_ms: 3_600_000 };
        hourly.next_at_ms = Some(60 * MINUTE);
        let found = due(&hourly, 65 * MINUTE).unwrap();
        assert_eq!(found, Due { fire: vec![], missed: Some(60 * MINUTE), next: Some(120 * MINUTE) });
    }
}
