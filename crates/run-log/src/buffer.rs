//! What is known of the buffer between the calls and the writer: bytes that wait, lines that were lost.

use metrics::{Counter, counter};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Figures shared by the writing side and the writer.
pub(crate) struct Buffer {
    bytes: AtomicUsize,
    bytes_max: usize,
    lost: AtomicU64,
    recorded_lines: Counter,
    dropped_full: Counter,
    dropped_disk: Counter,
}

impl Buffer {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
            lost: AtomicU64::new(0),
            recorded_lines: counter!("bunbase_log_lines_total", "outcome" => "recorded"),
            dropped_full: counter!("bunbase_log_lines_total", "outcome" => "dropped_buffer"),
            dropped_disk: counter!("bunbase_log_lines_total", "outcome" => "dropped_disk"),
        }
    }

    /// Takes room for a message; false where there is none.
    pub(crate) fn reserve(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before + bytes <= self.bytes_max {
            return true;
        }
        self.release(bytes);
        false
    }

    pub(crate) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn recorded(&self, lines: usize) {
        self.recorded_lines.increment(lines as u64);
    }

    pub(crate) fn dropped_before_buffer(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.dropped_full.increment(1);
    }

    pub(crate) fn dropped_at_disk(&self, lines: usize) {
        self.lost.fetch_add(lines as u64, Ordering::Relaxed);
        self.dropped_disk.increment(lines as u64);
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_given_back() {
        let buffer = Buffer::new(10);
        assert!(buffer.reserve(8));
        assert!(!buffer.reserve(3));
        buffer.release(8);
        assert!(buffer.reserve(10));
    }
}
