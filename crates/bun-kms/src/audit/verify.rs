//! Checking the whole log: every line of every file that is here, and that each file follows the one
//! before.

use super::committer::Written;
use super::scan::{Scanned, scan};
use super::{AuditError, NEWEST, full_files, full_name};
use std::path::Path;

/// What a check of the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Files that were checked.
    pub files: u32,
    /// Lines in them.
    pub lines: u64,
    /// The hash of the last line: note it elsewhere, and a log that was written anew as a whole shows.
    pub hash: String,
}

/// Checks the files in `directory`; what is added meanwhile is left out. Files that were taken away at the
/// old end are not missed, one in the middle is.
pub(super) fn verify(directory: &Path, written: Written) -> Result<AuditReport, AuditError> {
    let mut numbers = full_files(directory)?;
    numbers.retain(|number| *number < written.file);
    numbers.push(written.file);
    let mut report = AuditReport { files: 0, lines: 0, hash: String::new() };
    if let Some(pair) = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        return Err(AuditError::FileMissing { path: directory.join(full_name(pair[0] + 1)) });
    }
    for number in numbers {
        let scanned = scan_file(directory, number, written)?;
        if report.files > 0 && scanned.prev != report.hash {
            let path = directory.join(full_name(number));
            return Err(AuditError::Broken {
                path,
                line: 1,
                reason: "it does not follow the file before it",
            });
        }
        report.files += 1;
        report.lines += scanned.lines;
        report.hash = scanned.end.hash;
    }
    Ok(report)
}

/// A file by its number, whether it is still the newest or was given its number meanwhile.
fn scan_file(directory: &Path, number: u32, written: Written) -> Result<Scanned, AuditError> {
    let full = directory.join(full_name(number));
    if number < written.file {
        return scan_exactly(&full, number, u64::MAX);
    }
    let newest = scan_exactly(&directory.join(NEWEST), number, written.len);
    match newest {
        Err(_) if full.is_file() => scan_exactly(&full, number, written.len),
        scanned => scanned,
    }
}

fn scan_exactly(path: &Path, number: u32, len_max: u64) -> Result<Scanned, AuditError> {
    let scanned = scan(path, len_max, None)?;
    let broken = |line, reason| Err(AuditError::Broken { path: path.to_owned(), line, reason });
    if scanned.file != number {
        return broken(1, "it has the number of another file");
    }
    if scanned.torn_len > 0 {
        return broken(scanned.lines + 1, "it is not whole");
    }
    if len_max != u64::MAX && scanned.len != len_max {
        return broken(scanned.lines + 1, "it is missing");
    }
    Ok(scanned)
}
