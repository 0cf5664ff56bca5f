//! Reading one project's lines, the newest first. Files are read backwards in parts; one page reads a
//! bounded number of bytes, whoever's lines they are.

use super::committer::{Audit, Written};
use super::line::{By, LINE_BYTES_MAX};
use super::{AuditError, NEWEST, full_name};
use serde::Deserialize;
use service_kit::ids::ProjectId;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes of one part; longer than any line.
const PART_BYTES: u64 = 256 << 10;
const _: () = assert!(PART_BYTES as usize > LINE_BYTES_MAX);
/// Bytes that one page reads.
const PAGE_BYTES_MAX: u64 = 16 << 20;

/// A line of one project.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    pub(crate) time: String,
    project: ProjectId,
    pub(crate) caller: By,
    pub(crate) operation: String,
    pub(crate) resource: Option<EntryResource>,
    pub(crate) outcome: String,
}

/// What something was done to.
#[derive(Debug, Deserialize)]
pub(crate) struct EntryResource {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) version: Option<u32>,
}

/// Where a page ends and the next begins: before this byte of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageAt {
    pub(crate) file: u32,
    pub(crate) offset: u64,
}

/// Lines, the newest first.
pub(crate) struct Page {
    pub(crate) entries: Vec<Entry>,
    /// Where there may be more.
    pub(crate) next: Option<PageAt>,
}

impl Audit {
    /// Up to `limit` lines of `project` before `at`. A page may have fewer, or none, and still a next.
    pub(crate) async fn page(
        &self,
        project: &ProjectId,
        at: Option<PageAt>,
        limit: usize,
    ) -> Result<Page, AuditError> {
        let written = self.written();
        let at = at.unwrap_or(PageAt { file: written.file, offset: written.len });
        let (directory, project) = (self.directory().to_owned(), project.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let mut reader = Reader { directory: &directory, project: &project, written, read: 0 };
            reader.page(at, limit)
        });
        reading.await.unwrap_or(Err(AuditError::Closed))
    }
}

struct Reader<'a> {
    directory: &'a Path,
    project: &'a ProjectId,
    written: Written,
    read: u64,
}

impl Reader<'_> {
    fn page(&mut self, mut at: PageAt, limit: usize) -> Result<Page, AuditError> {
        let mut entries = Vec::new();
        let mut open: Option<(u32, File)> = None;
        while self.read < PAGE_BYTES_MAX && entries.len() < limit {
            if at.offset == 0 {
                let Some(before) = self.file_before(at.file)? else {
                    return Ok(Page { entries, next: None });
                };
                at = before;
            }
            let file = match open.take_if(|(number, _)| *number == at.file) {
                Some((_, file)) => file,
                None => match self.open(at.file)? {
                    Some(file) => file,
                    None => return Ok(Page { entries, next: None }),
                },
            };
            at.offset = self.part(&file, at.offset, limit, &mut entries)?;
            open = Some((at.file, file));
        }
        Ok(Page { entries, next: Some(at) })
    }

    /// Reads lines before `end` backwards until a part is done or the page is full; gives where it stopped.
    fn part(
        &mut self,
        file: &File,
        end: u64,
        limit: usize,
        entries: &mut Vec<Entry>,
    ) -> Result<u64, AuditError> {
        let begin = end.saturating_sub(PART_BYTES);
        let mut part = vec![0; (end - begin) as usize];
        file.read_exact_at(&mut part, begin).map_err(AuditError::io("read", self.directory))?;
        self.read += part.len() as u64;
        let whole_from = match begin {
            0 => 0,
            _ => part.iter().position(|byte| *byte == b'\n').map_or(part.len(), |at| at + 1),
        };
        let mut stop = part.len();
        for line in part[whole_from..].split_inclusive(|byte| *byte == b'\n').rev() {
            if entries.len() == limit {
                break;
            }
            stop -= line.len();
            entries.extend(self.entry(line));
        }
        // A part without any line end is not of this log; skipping it ends the search there.
        Ok(if stop == part.len() { begin } else { begin + stop as u64 })
    }

    fn entry(&self, line: &[u8]) -> Option<Entry> {
        let entry: Entry = serde_json::from_slice(line).ok()?;
        (entry.project == *self.project).then_some(entry)
    }

    fn file_before(&self, number: u32) -> Result<Option<PageAt>, AuditError> {
        let Some(before) = number.checked_sub(1) else { return Ok(None) };
        let Some(file) = self.open(before)? else { return Ok(None) };
        let len = file.metadata().map_err(AuditError::io("read", self.directory))?.len();
        Ok((len > 0).then_some(PageAt { file: before, offset: len }))
    }

    fn open(&self, number: u32) -> Result<Option<File>, AuditError> {
        let full = self.directory.join(full_name(number));
        let path =
            if full.exists() || number != self.written.file { full } else { self.directory.join(NEWEST) };
        match File::open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AuditError::io("open", &path)(error)),
        }
    }
}
