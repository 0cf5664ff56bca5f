//! Jobs are checked before they wait to be written.

use super::Jobs;
use crate::dispatcher::command::Prepared;
use crate::error::JobsError;
use crate::job::{JobOptions, NewJob, Start, UniqueKey};
use crate::names;
use service_kit::ids::JobId;

/// Bytes of all names and values of a job's attributes.
const ATTRIBUTES_BYTES_MAX: usize = 4 << 10;
/// Attempts of one job.
const ATTEMPTS_MAX: u32 = 100;
/// What a job takes beside its payload, for counting what waits.
const ROW_BYTES: usize = 512;

fn invalid<T>(text: impl Into<String>) -> Result<T, JobsError> {
    Err(JobsError::Invalid(text.into()))
}

impl Jobs {
    /// Checked jobs with their ids, and the bytes of all of them.
    pub(super) fn prepare(&self, jobs: Vec<NewJob>) -> Result<(Vec<Prepared>, usize), JobsError> {
        let max = self.config.enqueue_jobs_max;
        if jobs.len() > max {
            return invalid(format!("one call enqueues at most {max} jobs"));
        }
        let mut bytes = 0;
        let mut prepared = Vec::with_capacity(jobs.len());
        for job in jobs {
            self.check_spec(job.spec.payload.len(), &job.spec.options)?;
            self.check_start(job.start)?;
            if let Some(unique) = &job.unique {
                self.check_unique(unique)?;
            }
            bytes += job.spec.payload.len() + ROW_BYTES;
            prepared.push(Prepared { id: JobId::generate(), job });
        }
        Ok((prepared, bytes))
    }

    pub(super) fn check_spec(&self, payload_bytes: usize, options: &JobOptions) -> Result<(), JobsError> {
        let bytes_max = self.config.payload_bytes_max;
        if payload_bytes > bytes_max {
            return Err(JobsError::PayloadTooLarge { bytes_max });
        }
        let attributes: usize = options.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        if attributes > ATTRIBUTES_BYTES_MAX {
            return invalid(format!("the attributes of a job have at most {ATTRIBUTES_BYTES_MAX} bytes"));
        }
        let retry = options.retry;
        if retry.attempts_max == 0 || retry.attempts_max > ATTEMPTS_MAX {
            return invalid(format!("a job has 1 to {ATTEMPTS_MAX} attempts"));
        }
        let delay_ms_max = self.config.delay_ms_max;
        if retry.floor_ms == 0 || retry.floor_ms.max(retry.ceiling_ms) > delay_ms_max {
            return invalid(format!("a job waits 1 to {delay_ms_max} ms between attempts"));
        }
        let timeout_ms_max = self.config.timeout_ms_max;
        if options.timeout_ms == 0 || options.timeout_ms > timeout_ms_max {
            return invalid(format!("an attempt takes 1 to {timeout_ms_max} ms"));
        }
        if let Some(concurrency) = &options.concurrency {
            names::check("a concurrency key", &concurrency.key)?;
            if concurrency.limit == 0 {
                return invalid("the limit of a concurrency key is at least 1");
            }
        }
        Ok(())
    }

    fn check_start(&self, start: Start) -> Result<(), JobsError> {
        let delay_ms_max = self.config.delay_ms_max;
        let delay_ms = match start {
            Start::Now => 0,
            Start::After(delay) => delay.as_millis(),
            Start::At(at_ms) => u128::try_from(at_ms.saturating_sub(self.clock.now_ms())).unwrap_or(0),
        };
        if delay_ms > u128::from(delay_ms_max) {
            return invalid(format!("a job can be put off by at most {delay_ms_max} ms"));
        }
        Ok(())
    }

    fn check_unique(&self, unique: &UniqueKey) -> Result<(), JobsError> {
        names::check("a unique key", &unique.key)?;
        let keep_ms_max = self.config.unique_keep_ms_max;
        if unique.keep.as_millis() > u128::from(keep_ms_max) {
            return invalid(format!("a unique key is kept for at most {keep_ms_max} ms after the end"));
        }
        Ok(())
    }
}
