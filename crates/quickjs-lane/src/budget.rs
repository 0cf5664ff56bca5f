//! Bytes that an instance may still log; refills with time. The same numbers as a Bun worker has.

use std::time::Instant;

pub(crate) const LINE_BYTES_MAX: usize = 16 * 1024;
const BYTES_MAX: usize = 4 << 20;
const BYTES_PER_MS: usize = 4 << 10;
const LINE_OVERHEAD_BYTES: usize = 64;

pub(crate) struct Budget {
    bytes: usize,
    refilled: Instant,
    dropped: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: BYTES_MAX, refilled: Instant::now(), dropped: 0 }
    }
}

impl Budget {
    /// How many lines were dropped before this one, which may be written; `None` where it is dropped too.
    pub(crate) fn pay(&mut self, line_bytes: usize) -> Option<u64> {
        let bytes = line_bytes.min(LINE_BYTES_MAX) + LINE_OVERHEAD_BYTES;
        if self.bytes < bytes {
            let elapsed_ms = usize::try_from(self.refilled.elapsed().as_millis()).unwrap_or(usize::MAX);
            self.bytes = BYTES_MAX.min(self.bytes.saturating_add(elapsed_ms.saturating_mul(BYTES_PER_MS)));
            self.refilled = Instant::now();
        }
        if self.bytes < bytes {
            self.dropped += 1;
            return None;
        }
        self.bytes -= bytes;
        Some(std::mem::take(&mut self.dropped))
    }
}

/// At most [`LINE_BYTES_MAX`] bytes of `text`, cut between characters.
pub(crate) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_over_the_budget_are_dropped_and_counted() {
        let mut budget = Budget { bytes: LINE_BYTES_MAX + LINE_OVERHEAD_BYTES, ..Budget::default() };
        assert_eq!(budget.pay(LINE_BYTES_MAX * 2), Some(0));
        // What is refilled between the two is far below a line of this size.
        assert_eq!(budget.pay(LINE_BYTES_MAX), None);
        budget.bytes = BYTES_MAX;
        assert_eq!(budget.pay(5), Some(1));
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = cut("é".repeat(LINE_BYTES_MAX));
        assert!(long.len() <= LINE_BYTES_MAX && long.ends_with('é'));
    }
}
