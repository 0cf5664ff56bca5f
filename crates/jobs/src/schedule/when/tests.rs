//! Times of expressions, with clock changes.

use super::*;

fn cron(expression: &str, time_zone: &str) -> When {
    When::parse(expression, time_zone).unwrap()
}

fn at(text: &str) -> i64 {
    parse_ms(text).unwrap()
}

/// The times after a moment, as that zone's clock shows them, with its distance from UTC.
fn following(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let times = cron(expression, zone).preview(at(after), count).unwrap();
    let zone = TimeZone::get(zone).unwrap();
    let shown = |at_ms| {
        let zoned = Timestamp::from_millisecond(at_ms).unwrap().to_zoned(zone.clone());
        zoned.strftime("%m-%d %H:%M%:z").to_string()
    };
    times.into_iter().map(shown).collect()
}

#[test]
fn fields_names_and_shorthands_are_read() {
    for expression in [
        "*/5 * * * *",
        "30 */5 * * * *",
        "0 9 * * MON-FRI",
        "0 0 1 jan,JUL *",
        "0 0 L * *",
        "0 9 * * 5#2",
        "@hourly",
        "@daily",
        "@weekly",
        "@monthly",
        "@yearly",
        "0 0 29 2 *",
        "0 0 29 2 +MON",
    ] {
        assert!(When::parse(expression, "UTC").is_ok(), "{expression}");
    }
}

#[test]
fn what_cannot_be_read_or_never_comes_is_refused() {
    for expression in
        ["", "* * * *", "61 * * * *", "0 0 30 2 *", "0 0 1 1 * * 2020", "@sometimes", "every 5", "every 10ms"]
    {
        let refused = When::parse(expression, "UTC");
        assert!(matches!(refused, Err(JobsError::InvalidSchedule(_))), "{expression}: {refused:?}");
    }
    let refused = When::parse("0 9 * * *", "Europe/Atlantis").unwrap_err();
    assert!(refused.to_string().contains("Europe/Atlantis"));
    assert!(When::parse(&"*,".repeat(200), "UTC").is_err());
    assert!(When::parse("every 0s", "UTC").is_err());
}

#[test]
fn intervals_and_moments_are_read() {
    assert_eq!(When::parse("every 5m", "UTC").unwrap(), When::Every { interval_ms: 300_000 });
    assert_eq!(When::parse("@every 1h30m", "UTC").unwrap(), When::Every { interval_ms: 5_400_000 });
    let moment = When::parse("2026-03-01T08:00:00Z", "UTC").unwrap();
    assert_eq!(moment, When::At { at_ms: at("2026-03-01T08:00:00Z") });
}

#[test]
fn an_interval_counts_from_its_anchor() {
    let times = When::Every { interval_ms: 60_000 }.times(1_000).unwrap();
    assert_eq!(times.next(1_000), Some(61_000));
    assert_eq!(times.next(61_000), Some(121_000));
    assert_eq!(times.next(90_500), Some(121_000));
    assert_eq!(times.last(121_000), Some(121_000));
    assert_eq!(times.last(120_999), Some(61_000));
    assert_eq!(times.last(60_999), None);
}

#[test]
fn a_time_of_day_follows_its_zone() {
    let times = following("0 9 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3);
    assert_eq!(times, ["03-28 09:00+01:00", "03-29 09:00+02:00", "03-30 09:00+02:00"]);
}

#[test]
fn a_fixed_time_that_is_jumped_over_fires_after_the_jump() {
    let times = following("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3);
    assert_eq!(times, ["03-28 02:30+01:00", "03-29 03:00+02:00", "03-30 02:30+02:00"]);
}

#[test]
fn a_fixed_time_that_comes_twice_fires_the_first_time() {
    let times = following("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
    assert_eq!(times, ["10-25 02:30+02:00", "10-26 02:30+01:00"]);
}

#[test]
fn a_stepped_expression_leaves_out_the_jump_and_fires_in_both_passes() {
    let times = following("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29:00Z", 3);
    assert_eq!(times, ["03-29 01:30+01:00", "03-29 03:00+02:00", "03-29 03:30+02:00"]);
    let times = following("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:29:00Z", 4);
    assert_eq!(times, ["10-25 02:30+02:00", "10-25 02:00+01:00", "10-25 02:30+01:00", "10-25 03:00+01:00"]);
}

#[test]
fn looking_back_finds_the_same_times_as_looking_ahead() {
    let zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"];
    for (zone, expression) in
        zones.into_iter().flat_map(|zone| ["*/20 * * * *", "30 2 * * *", "15 1,2,3 * * *"].map(|e| (zone, e)))
    {
        for begin in
            ["2026-03-07T00:00:00Z", "2026-03-28T00:00:00Z", "2026-10-03T00:00:00Z", "2026-10-24T00:00:00Z"]
        {
            let times = cron(expression, zone).times(0).unwrap();
            let ahead: Vec<i64> =
                std::iter::successors(times.next(at(begin)), |last| times.next(*last)).take(200).collect();
            let last = ahead[ahead.len() - 1];
            let mut back: Vec<i64> = std::iter::successors(Some(last), |later| times.last(later - 1))
                .take_while(|time| *time > at(begin))
                .collect();
            back.reverse();
            assert_eq!(back, ahead, "{expression} in {zone} from {begin}");
        }
    }
}
