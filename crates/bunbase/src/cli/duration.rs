//! Lengths of time as people write them (`45s`, `15m`, `12h`, `30d`), and moments: so long ago.

use service_kit::clock::{now_ms, rfc3339};

/// The seconds of `text`; a plain number is seconds. For `clap`.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no length of time: write 45s, 15m, 12h or 30d");
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3_600),
        Some((at, 'd')) => (&text[..at], 86_400),
        _ => (text, 1),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

/// The moment that `text` names: so long ago (`15m`), or what the server understands (RFC 3339). For `clap`.
pub(crate) fn moment(text: &str) -> Result<String, String> {
    if !text.ends_with(['s', 'm', 'h', 'd']) {
        return Ok(text.to_owned());
    }
    let ago = seconds(text)?.checked_mul(1_000).and_then(|ago| now_ms().checked_sub_unsigned(ago));
    ago.filter(|at| *at >= 0).map(rfc3339).ok_or_else(|| format!("{text:?} ago is before 1970"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_so_long_ago_or_as_it_was_written() {
        // Both look at the clock; within the same millisecond sooner or later.
        assert!((0..1_000).any(|_| moment("1m").unwrap() == rfc3339(now_ms() - 60_000)));
        assert_eq!(moment("2026-01-31T12:00:00Z").unwrap(), "2026-01-31T12:00:00Z");
        for wrong in ["m", "-1m", "60000d", "99999999999999999d"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn units_are_understood_and_others_are_not() {
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("15m"), Ok(900));
        assert_eq!(seconds("30d"), Ok(2_592_000));
        for wrong in ["", "h", "1w", "-1s", "1.5h", "99999999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
