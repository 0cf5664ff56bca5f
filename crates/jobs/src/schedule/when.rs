//! The times of a schedule: a cron expression in a time zone, a fixed interval, or one moment.

use crate::error::JobsError;
use croner::Cron;
use croner::parser::{CronParser, Year};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};
use service_kit::clock::parse_ms;

/// Bytes of a cron expression.
const EXPRESSION_BYTES_MAX: usize = 255;
/// The shortest interval.
const INTERVAL_MS_MIN: u64 = 1_000;
/// The longest interval: ten years.
const INTERVAL_MS_MAX: u64 = 10 * 366 * 24 * 3_600_000;
/// A cron expression has to match between 2000 and 2040: days of the week and of the year come together again
/// after 28 years.
const HORIZON_MS: [i64; 2] = [946_684_800_000, 2_208_988_800_000];

/// When a schedule fires. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Five fields (minute, hour, day of month, month, day of week), six with seconds in front, or `@hourly`,
    /// `@daily`, `@weekly`, `@monthly`, `@yearly`. Names of months and days, lists, ranges, steps, `L`, `W`, `#`.
    Cron {
        /// The expression.
        expression: String,
        /// A name of the IANA time zone database, such as `Europe/Berlin` or `UTC`.
        time_zone: String,
    },
    /// Again and again, counted from when the schedule was saved; at least a second.
    Every {
        /// Milliseconds.
        interval_ms: u64,
    },
    /// Once.
    At {
        /// The moment.
        at_ms: i64,
    },
}

fn wrong(text: String) -> JobsError {
    JobsError::InvalidSchedule(text)
}

impl When {
    /// Reads `every 5m` (units `s`, `m`, `h`, `d`, several after one another), a time in RFC 3339, or a cron
    /// expression, which is in `time_zone`.
    ///
    /// # Errors
    /// `InvalidSchedule`.
    pub fn parse(text: &str, time_zone: &str) -> Result<Self, JobsError> {
        let text = text.trim();
        let when = if let Some(interval) = text.strip_prefix('@').unwrap_or(text).strip_prefix("every ") {
            Self::Every { interval_ms: parse_interval(interval.trim())? }
        } else if let Some(at_ms) = text.contains('T').then(|| parse_ms(text)).flatten() {
            Self::At { at_ms }
        } else {
            Self::Cron { expression: text.to_owned(), time_zone: time_zone.to_owned() }
        };
        when.check()?;
        Ok(when)
    }

    /// Refuses what cannot be read and what never comes.
    pub(crate) fn check(&self) -> Result<(), JobsError> {
        match self {
            Self::Cron { expression, time_zone } => {
                let times = Times::read(expression, time_zone)?;
                let first = times.next(HORIZON_MS[0]).filter(|first| *first < HORIZON_MS[1]);
                let never = || wrong(format!("the cron expression `{expression}` matches no day"));
                first.map(|_| ()).ok_or_else(never)
            }
            Self::Every { interval_ms } if !(INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(interval_ms) => {
                Err(wrong("an interval is at least a second and at most ten years".to_owned()))
            }
            Self::At { at_ms } if Timestamp::from_millisecond(*at_ms).is_err() => {
                Err(wrong("a schedule's time lies in the years to 9999".to_owned()))
            }
            Self::Every { .. } | Self::At { .. } => Ok(()),
        }
    }

    /// The first `count` times after `after_ms`, for a schedule that is saved then; at most 100.
    ///
    /// # Errors
    /// `InvalidSchedule`.
    pub fn preview(&self, after_ms: i64, count: usize) -> Result<Vec<i64>, JobsError> {
        self.check()?;
        let times = self.times(after_ms)?;
        let following = std::iter::successors(times.next(after_ms), |last| times.next(*last));
        Ok(following.take(count.min(100)).collect())
    }

    /// The times, for looking some up.
    pub(crate) fn times(&self, anchor_ms: i64) -> Result<Times, JobsError> {
        Ok(match self {
            Self::Cron { expression, time_zone } => Times::read(expression, time_zone)?,
            Self::Every { interval_ms } => {
                Times::Every { interval_ms: i64::try_from(*interval_ms).unwrap_or(i64::MAX), anchor_ms }
            }
            Self::At { at_ms } => Times::At(*at_ms),
        })
    }
}

fn parse_interval(text: &str) -> Result<u64, JobsError> {
    let unreadable = || wrong(format!("`{text}` is no interval: write it as `90s`, `5m` or `1h30m`"));
    let (mut total_ms, mut number) = (0_u64, String::new());
    for letter in text.chars() {
        let unit_ms: u64 = match letter {
            '0'..='9' => {
                number.push(letter);
                continue;
            }
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 24 * 3_600_000,
            _ => return Err(unreadable()),
        };
        let count: u64 = number.parse().map_err(|_| unreadable())?;
        total_ms =
            count.checked_mul(unit_ms).and_then(|part| total_ms.checked_add(part)).ok_or_else(unreadable)?;
        number.clear();
    }
    if number.is_empty() { Ok(total_ms) } else { Err(unreadable()) }
}

/// Planned times in order.
pub(crate) enum Times {
    Cron(Box<Cron>, TimeZone),
    Every { interval_ms: i64, anchor_ms: i64 },
    At(i64),
}

impl Times {
    fn read(expression: &str, time_zone: &str) -> Result<Self, JobsError> {
        if expression.len() > EXPRESSION_BYTES_MAX || !expression.is_ascii() {
            return Err(wrong(format!(
                "a cron expression has at most {EXPRESSION_BYTES_MAX} ASCII characters"
            )));
        }
        let parser = CronParser::builder().year(Year::Disallowed).build();
        let unreadable = |error| wrong(format!("the cron expression `{expression}` cannot be read: {error}"));
        let cron = parser.parse(expression).map_err(unreadable)?;
        let unknown =
            |_| wrong(format!("`{time_zone}` is no time zone: use a name such as `Europe/Berlin` or `UTC`"));
        Ok(Self::Cron(Box::new(cron), TimeZone::get(time_zone).map_err(unknown)?))
    }

    /// The first planned time after a moment.
    pub(crate) fn next(&self, after_ms: i64) -> Option<i64> {
        match self {
            Self::Cron(cron, zone) => {
                let found = cron.find_next_occurrence(&second(after_ms, zone)?, false).ok()?;
                Some(found.timestamp().as_millisecond())
            }
            Self::Every { interval_ms, anchor_ms } => {
                let passed = (after_ms - anchor_ms).div_euclid(*interval_ms);
                anchor_ms.checked_add((passed + 1).max(1).checked_mul(*interval_ms)?)
            }
            Self::At(at_ms) => Some(*at_ms).filter(|at_ms| *at_ms > after_ms),
        }
    }

    /// The last planned time that is not after a moment.
    pub(crate) fn last(&self, until_ms: i64) -> Option<i64> {
        match self {
            Self::Cron(cron, zone) => {
                let found = cron.find_previous_occurrence(&second(until_ms, zone)?, true).ok()?;
                Some(found.timestamp().as_millisecond())
            }
            Self::Every { interval_ms, anchor_ms } => {
                let passed = (until_ms - anchor_ms).div_euclid(*interval_ms);
                (passed >= 1).then(|| anchor_ms + passed * interval_ms)
            }
            Self::At(at_ms) => Some(*at_ms).filter(|at_ms| *at_ms <= until_ms),
        }
    }
}

/// The whole second that a moment lies in: planned times are whole seconds.
fn second(at_ms: i64, zone: &TimeZone) -> Option<Zoned> {
    Some(Timestamp::from_second(at_ms.div_euclid(1_000)).ok()?.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests;
