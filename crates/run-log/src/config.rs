//! Settings of the log. Each has a default that suits a laptop and a small server.

use serde::Deserialize;

/// Settings of one [`crate::RunLog`].
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunLogConfig {
    /// A longer message is cut, and the cut is marked.
    pub message_bytes_max: usize,
    /// Lines that wait to be written at most; one more is dropped and counted.
    pub buffer_lines_max: usize,
    /// Bytes of the messages that wait to be written at most.
    pub buffer_bytes_max: usize,
    /// Lines that are written together at most.
    pub batch_lines_max: usize,
    /// A line waits so long for others at most.
    pub flush_interval_ms: u64,
    /// A line of a function that somebody follows waits so long at most.
    pub tail_interval_ms: u64,
    /// Lines and files older than so many days are removed.
    pub retention_days: u32,
    /// Lines kept in the database for one function.
    pub function_lines_max: u64,
    /// Bytes of the database; over it the oldest lines of all go.
    pub database_bytes_max: u64,
    /// Bytes of one JSONL file; a larger one is followed by the next number.
    pub file_bytes_max: u64,
    /// Bytes of all JSONL files; over it the oldest files go.
    pub files_bytes_max: u64,
    /// Lines that one query answers at most.
    pub query_lines_max: usize,
}

impl Default for RunLogConfig {
    fn default() -> Self {
        Self {
            message_bytes_max: 8 << 10,
            buffer_lines_max: 16_384,
            buffer_bytes_max: 32 << 20,
            batch_lines_max: 500,
            flush_interval_ms: 2_000,
            tail_interval_ms: 100,
            retention_days: 30,
            function_lines_max: 100_000,
            database_bytes_max: 1 << 30,
            file_bytes_max: 64 << 20,
            files_bytes_max: 1 << 30,
            query_lines_max: 1_000,
        }
    }
}
