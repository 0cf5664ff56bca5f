//! What ran: the log lines of functions. Owns `logs.db` and the JSONL files beside it.
//!
//! What must hold: [`RunLog::write`] never blocks and never fails a call; what does not fit into the buffer
//! or cannot be written is counted; lines of one project are never seen in another; nothing is kept beyond
//! its retention. Lines reach the disk in batches: a crash may lose those of the last 2 seconds. Lines of a
//! function that somebody follows are written sooner.

mod buffer;
mod config;
mod error;
mod files;
mod line;
mod run_log;
mod store;
mod tail;
mod writer;

pub use config::RunLogConfig;
pub use error::RunLogError;
pub use line::{Level, LogLine, LogPage, LogQuery, StoredLine};
pub use run_log::RunLog;
