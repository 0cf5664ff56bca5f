//! Parts of dates, in UTC and the proleptic Gregorian calendar.

use super::function::Out;
use super::value::Value;
use bson::RawBsonRef;
use std::fmt;

const DAY_MILLIS: i64 = 86_400_000;

/// A date in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: u8,
    /// 1 to 31.
    pub(super) day: u8,
    pub(super) millis_of_day: i64,
    days_since_1970: i64,
}

impl Date {
    /// Milliseconds since 1970. The algorithm is `civil_from_days` of Howard Hinnant
    /// (<https://howardhinnant.github.io/date_algorithms.html>): years begin in March there.
    pub(super) fn of_millis(millis: i64) -> Self {
        let days = millis.div_euclid(DAY_MILLIS);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: day as u8,
            millis_of_day: millis.rem_euclid(DAY_MILLIS),
            days_since_1970: days,
        }
    }

    /// 1 (Sunday) to 7.
    pub(super) fn day_of_week(self) -> i64 {
        // 1970 began on a Thursday.
        (self.days_since_1970 + 4).rem_euclid(7) + 1
    }

    /// 1 to 366.
    pub(super) fn day_of_year(self) -> i64 {
        const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let leap_day = i64::from(leap && self.month > 2);
        BEFORE[usize::from(self.month) - 1] + leap_day + i64::from(self.day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis_of_day;
        let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
        write!(f, "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}", self.year, self.month, self.day)?;
        write!(f, ".{:03}Z", millis % 1_000)
    }
}

/// A part of a date, a timestamp or the time in an ObjectId.
pub(super) fn part<'a>(value: &Value<'_>, part: fn(Date) -> i64) -> Out<'a> {
    let millis = match value.as_ref() {
        RawBsonRef::Null | RawBsonRef::Undefined => return Ok(Value::NULL),
        RawBsonRef::DateTime(date) => date.timestamp_millis(),
        RawBsonRef::Timestamp(timestamp) => i64::from(timestamp.time) * 1_000,
        RawBsonRef::ObjectId(id) => id.timestamp().timestamp_millis(),
        _ => return Err("takes a date"),
    };
    let part = part(Date::of_millis(millis));
    Ok(i32::try_from(part).map_or_else(|_| part.into(), Value::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_taken_apart() {
        let shown = |millis| {
            let date = Date::of_millis(millis);
            (date.to_string(), date.day_of_week(), date.day_of_year())
        };
        assert_eq!(shown(0), ("1970-01-01T00:00:00.000Z".to_owned(), 5, 1));
        assert_eq!(shown(-1), ("1969-12-31T23:59:59.999Z".to_owned(), 4, 365));
        assert_eq!(shown(951_782_400_000), ("2000-02-29T00:00:00.000Z".to_owned(), 3, 60));
        assert_eq!(shown(1_735_689_599_123), ("2024-12-31T23:59:59.123Z".to_owned(), 3, 366));
        Date::of_millis(i64::MIN);
        Date::of_millis(i64::MAX);
    }
}
