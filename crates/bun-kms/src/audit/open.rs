//! Opening the log at start: the newest file is checked line by line, a torn last line is cut, anything
//! else that is wrong is refused. Older files are checked by `verify_audit`.

use super::file::{LogFile, OpenAt};
use super::line::{Chain, Note};
use super::scan::{Scanned, scan};
use super::{AuditError, Head, NEWEST, UNNAMED, full_files, full_name};
use std::io::ErrorKind;
use std::path::Path;

/// Opens the log in `directory`, making it where there is none. `known` is a line that was there before.
pub(super) fn open(directory: &Path, bytes_max: u64, known: Option<&Head>) -> Result<LogFile, AuditError> {
    match std::fs::remove_file(directory.join(UNNAMED)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(AuditError::io("remove", &directory.join(UNNAMED))(error));
        }
        _ => {}
    }
    let newest = directory.join(NEWEST);
    let last_full = full_files(directory)?.pop();
    match (newest.symlink_metadata(), last_full) {
        (Ok(_), _) => {
            let scanned = checked(&newest, known)?;
            resume(directory, bytes_max, &scanned)
        }
        (Err(error), Some(number)) if error.kind() == ErrorKind::NotFound => {
            let scanned = checked(&directory.join(full_name(number)), known)?;
            let at = OpenAt { number: scanned.file + 1, chain: scanned.end, len: 0, bytes_max };
            LogFile::create(directory, at, Note::Continued)
        }
        (Err(error), None) if error.kind() == ErrorKind::NotFound => begin(directory, bytes_max, known),
        (Err(error), _) => Err(AuditError::io("find", &newest)(error)),
    }
}

fn checked(path: &Path, known: Option<&Head>) -> Result<Scanned, AuditError> {
    let scanned = scan(path, u64::MAX, known)?;
    match known {
        Some(known) if known.seq > scanned.end.seq => {
            Err(AuditError::CutBack { path: path.to_owned(), seq: known.seq })
        }
        _ => Ok(scanned),
    }
}

fn resume(directory: &Path, bytes_max: u64, scanned: &Scanned) -> Result<LogFile, AuditError> {
    let at = OpenAt { number: scanned.file, chain: scanned.end.clone(), len: scanned.len, bytes_max };
    let mut log = LogFile::open(directory, at)?;
    if scanned.torn_len > 0 {
        tracing::warn!(
            cut_bytes = scanned.torn_len,
            line = scanned.lines + 1,
            "the last line of the audit log was not whole and was cut; no answer was given for it"
        );
        log.cut()?;
        log.note(Note::TornLineCut { cut_bytes: scanned.torn_len })?;
    }
    Ok(log)
}

fn begin(directory: &Path, bytes_max: u64, known: Option<&Head>) -> Result<LogFile, AuditError> {
    let (number, chain, note) = match known {
        None => (1, Chain::new(), Note::Began),
        Some(known) => {
            tracing::error!(line = known.seq, "the audit log is missing; a new one begins and says so");
            let chain = Chain { seq: known.seq, hash: known.hash.clone() };
            (known.file + 1, chain, Note::PreviousMissing)
        }
    };
    LogFile::create(directory, OpenAt { number, chain, len: 0, bytes_max }, note)
}

#[cfg(test)]
mod tests {
    use super::super::line::{By, Event, Operation};
    use super::*;
    use service_kit::ids::ProjectId;

    /// What a kill or power loss leaves: any beginning of what was written.
    #[test]
    fn a_log_cut_anywhere_opens_with_its_whole_lines_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NEWEST);
        let event = || Event {
            project: ProjectId::generate(),
            by: By::service(),
            operation: Operation::Open,
            resource: None,
            outcome: "ok",
        };
        let mut log = open(directory.path(), u64::MAX, None).unwrap();
        log.append(&[event(), event(), event()]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for len in (1..=whole.len()).step_by(13) {
            std::fs::write(&path, &whole[..len]).unwrap();
            let lines = whole[..len].iter().filter(|byte| **byte == b'\n').count() as u64;
            let opened = open(directory.path(), u64::MAX, None);
            if lines == 0 {
                assert!(matches!(opened, Err(AuditError::Broken { line: 1, .. })), "{len}");
                continue;
            }
            let mut log = opened.unwrap();
            log.append(&[event()]).unwrap();
            let torn = u64::from(whole[len - 1] != b'\n');
            let scanned = scan(&path, u64::MAX, Some(&log.head())).unwrap();
            assert_eq!((scanned.lines, scanned.torn_len), (lines + torn + 1, 0), "{len}");
        }
    }
}
