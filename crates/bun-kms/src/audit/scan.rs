//! Reading a file from its beginning and checking the chain in it.

use super::line::{Chain, LINE_BYTES_MAX, claims, first_line};
use super::{AuditError, Head};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// What a file holds.
pub(super) struct Scanned {
    /// The number that its first line gives it.
    pub(super) file: u32,
    /// The hash that its first line says is before it.
    pub(super) prev: String,
    /// Its last whole line.
    pub(super) end: Chain,
    /// Lines.
    pub(super) lines: u64,
    /// Bytes of whole lines.
    pub(super) len: u64,
    /// Bytes after them: a line that was not written whole.
    pub(super) torn_len: u64,
}

/// Checks the first `len_max` bytes of a file. Where `known` is a line of this file, it has to be the one
/// that is known.
pub(super) fn scan(path: &Path, len_max: u64, known: Option<&Head>) -> Result<Scanned, AuditError> {
    let file = File::open(path).map_err(AuditError::io("open", path))?;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, file).take(len_max);
    let mut scanned: Option<Scanned> = None;
    let mut line = Vec::with_capacity(LINE_BYTES_MAX);
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line);
        let read = read.map_err(AuditError::io("read", path))? as u64;
        let number = scanned.as_ref().map_or(1, |scanned| scanned.lines + 1);
        let broken = |reason| AuditError::Broken { path: path.to_owned(), line: number, reason };
        let Some(text) = line.strip_suffix(b"\n") else {
            let mut scanned = scanned.ok_or_else(|| broken("the file has no whole line"))?;
            if read == LINE_BYTES_MAX as u64 {
                return Err(broken("it is longer than a line of this log can be"));
            }
            scanned.torn_len = read;
            return Ok(scanned);
        };
        let found = claims(text).map_err(broken)?;
        let next = match scanned.take() {
            None => begin(path, text, found.prev)?,
            Some(scanned) if scanned.end.hash == found.prev => scanned,
            Some(_) => return Err(broken("it does not follow the line before it")),
        };
        let end = Chain { seq: next.end.seq + 1, hash: found.hash.to_owned() };
        if known.is_some_and(|known| known.seq == end.seq && known.hash != end.hash) {
            return Err(broken("it is not the line that the database remembers"));
        }
        scanned = Some(Scanned { end, lines: number, len: next.len + read, ..next });
    }
}

fn begin(path: &Path, text: &[u8], prev: &str) -> Result<Scanned, AuditError> {
    let first = first_line(path, text)?;
    let end = Chain { seq: first.seq.saturating_sub(1), hash: prev.to_owned() };
    let file = first.checkpoint;
    Ok(Scanned { file, prev: prev.to_owned(), end, lines: 0, len: 0, torn_len: 0 })
}
