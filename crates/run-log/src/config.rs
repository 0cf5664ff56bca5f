//! Settings of the log. Each has a default that suits a laptop and a small server.

use crate::otlp::OtlpConfig;
use serde::Deserialize;

/// Settings of one [`crate::RunLog`].
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunLogConfig {
    /// A longer message is cut, and the cut is marked.
    pub message_bytes_max: usize,
    /// Longer fields of a line are left out, and that is marked.
    pub fields_bytes_max: usize,
    /// Lines and runs that wait to be written at most; one more is dropped and counted.
    pub buffer_lines_max: usize,
    /// Bytes that wait to be written at most. One project has no more of it than it leaves free.
    pub buffer_bytes_max: usize,
    /// Lines that are written together at most.
    pub batch_lines_max: usize,
    /// A line waits so long for others at most.
    pub flush_interval_ms: u64,
    /// A line waits so long at most while somebody follows.
    pub tail_interval_ms: u64,
    /// Successful runs of one project that are kept in each second; errors always are.
    pub project_runs_per_second: u32,
    /// Traces of one project that begin here and have spans, in each second.
    pub project_traces_per_second: u32,
    /// The newest traces of one project that are kept in memory.
    pub project_traces_max: usize,
    /// Traces kept in memory in all.
    pub traces_max: usize,
    /// Lines, runs and files older than so many days are removed.
    pub retention_days: u32,
    /// Figures of each minute are kept so long.
    pub minutes_retention_days: u32,
    /// Figures of each hour are kept so long.
    pub hours_retention_days: u32,
    /// Lines kept in the database for one function.
    pub function_lines_max: u64,
    /// Lines kept in the database for one project.
    pub project_lines_max: u64,
    /// Runs kept in the database for one project.
    pub project_runs_max: u64,
    /// Rows of figures of minutes kept for one project.
    pub project_minutes_max: u64,
    /// Bytes of lines and runs kept in the database for one project, indexes not counted.
    pub project_bytes_max: u64,
    /// Bytes of the database; over it the oldest lines and runs of the largest project go.
    pub database_bytes_max: u64,
    /// Bytes of one JSONL file; a larger one is followed by the next number.
    pub file_bytes_max: u64,
    /// Bytes of the JSONL files of one project; over it its oldest files go.
    pub project_files_bytes_max: u64,
    /// Bytes of all JSONL files; over it the oldest files of the largest project go.
    pub files_bytes_max: u64,
    /// Lines or runs that one query answers at most.
    pub query_lines_max: usize,
    /// Lines or runs that one query looks at; then it answers what it found and where to go on.
    pub query_scan_max: usize,
    /// Where lines, traces and figures are sent; nowhere without an endpoint.
    pub otlp: OtlpConfig,
}

impl Default for RunLogConfig {
    fn default() -> Self {
        Self {
            message_bytes_max: 8 << 10,
            fields_bytes_max: 16 << 10,
            buffer_lines_max: 65_536,
            buffer_bytes_max: 32 << 20,
            batch_lines_max: 500,
            flush_interval_ms: 2_000,
            tail_interval_ms: 100,
            project_runs_per_second: 2_000,
            project_traces_per_second: 20,
            project_traces_max: 100,
            traces_max: 10_000,
            retention_days: 30,
            minutes_retention_days: 2,
            hours_retention_days: 90,
            function_lines_max: 100_000,
            project_lines_max: 1_000_000,
            project_runs_max: 1_000_000,
            project_minutes_max: 200_000,
            project_bytes_max: 256 << 20,
            database_bytes_max: 1 << 30,
            file_bytes_max: 64 << 20,
            project_files_bytes_max: 256 << 20,
            files_bytes_max: 1 << 30,
            query_lines_max: 1_000,
            query_scan_max: 50_000,
            otlp: OtlpConfig::default(),
        }
    }
}
