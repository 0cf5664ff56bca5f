//! Names in `jobs.db`. Queues of projects have names without `$` in front; those of cron, events and documents
//! are `$cron/{function}`, `$event/{function}` and `$document/{function}`.

use jobs::{JobsError, QueueName, ScheduleName};
use sha2::{Digest, Sha256};

/// What starts a run, other than a request and a queue of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source {
    Cron,
    Event,
    Document,
}

impl Source {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Event => "event",
            Self::Document => "document",
        }
    }
}

/// The queue of a function's runs.
pub(super) fn queue_of(source: Source, function: &str) -> Result<QueueName, JobsError> {
    QueueName::parse(&format!("${}/{function}", source.as_str()))
}

/// What a queue of ours is for; `None` for one of the project.
pub(super) fn source_of(queue: &str) -> Option<(Source, &str)> {
    let (kind, function) = queue.strip_prefix('$')?.split_once('/')?;
    let source = match kind {
        "cron" => Source::Cron,
        "event" => Source::Event,
        "document" => Source::Document,
        _ => return None,
    };
    Some((source, function))
}

/// The schedule of a function's cron trigger: its name, and for each further one `{name}/2` and on.
pub(super) fn schedule_of(function: &str, ordinal: usize) -> Result<ScheduleName, JobsError> {
    match ordinal {
        0 => ScheduleName::parse(function),
        more => ScheduleName::parse(&format!("{function}/{}", more + 1)),
    }
}

/// The function that a schedule runs.
pub(super) fn function_of(schedule: &ScheduleName) -> &str {
    let name = schedule.as_str();
    name.split_once('/').map_or(name, |(function, _)| function)
}

/// A short name for texts of any length: 32 digits in hex.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_says_what_it_is_for() {
        for source in [Source::Cron, Source::Event, Source::Document] {
            let queue = queue_of(source, "tidy").unwrap();
            assert_eq!(source_of(queue.as_str()), Some((source, "tidy")));
        }
        for queue in ["mail", "cron/tidy", "$other/tidy", "$cron"] {
            assert_eq!(source_of(queue), None, "{queue}");
        }
    }

    #[test]
    fn a_schedule_says_whose_it_is() {
        for ordinal in [0, 1, 19] {
            assert_eq!(function_of(&schedule_of("tidy", ordinal).unwrap()), "tidy");
        }
        assert_eq!(schedule_of("tidy", 1).unwrap().as_str(), "tidy/2");
    }

    #[test]
    fn parts_are_not_mixed_up() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["a"]).len(), 32);
    }
}
