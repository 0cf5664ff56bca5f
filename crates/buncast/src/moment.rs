//! Between `SystemTime` and milliseconds since 1970, in which moments are stored.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) fn epoch_ms(moment: SystemTime) -> i64 {
    let elapsed = moment.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn from_epoch_ms(epoch_ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(epoch_ms).unwrap_or(0))
}
