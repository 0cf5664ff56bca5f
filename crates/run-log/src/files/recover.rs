//! After a crash: the last line of a file may be there in part. It is cut off, so that every line can be read
//! and the next one does not continue it.

use super::{Files, list};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Files that were not written for so long were looked at before.
const LOOK_BACK: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// Bytes that are read at once.
const PIECE_BYTES: u64 = 64 << 10;

impl Files {
    /// Cuts torn lines off; returns how many.
    pub(crate) fn recover(&self) -> io::Result<usize> {
        let since = SystemTime::now().checked_sub(LOOK_BACK).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut torn = 0;
        for file in list(&self.directory)?.iter().filter(|file| file.written >= since && file.bytes > 0) {
            if let Some(bytes) = cut_torn_line(&file.path, file.bytes)? {
                tracing::warn!(file = %file.path.display(), bytes, "a torn log line was cut off");
                torn += 1;
            }
        }
        Ok(torn)
    }
}

/// Cuts what comes after the last line's end; returns how many bytes that were.
fn cut_torn_line(path: &Path, length: u64) -> io::Result<Option<u64>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let end = last_line_end(&mut file, length)?;
    if end == length {
        return Ok(None);
    }
    file.set_len(end)?;
    Ok(Some(length - end))
}

fn last_line_end(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PIECE_BYTES);
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_lines_are_cut_and_whole_ones_stay() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files { directory: directory.path().to_owned(), file_bytes_max: 1 << 20 };
        let long = format!("{{\"a\":1}}\n{}", "x".repeat(200_000));
        let cases = [
            ("whole", "{}\n{}\n", "{}\n{}\n"),
            ("torn", "{}\n{\"mess", "{}\n"),
            ("only", "{\"m", ""),
            ("long", long.as_str(), "{\"a\":1}\n"),
            ("empty", "", ""),
        ];
        for (name, text, _) in cases {
            std::fs::write(directory.path().join(format!("{name}.jsonl")), text).unwrap();
        }
        assert_eq!(files.recover().unwrap(), 3);
        for (name, _, expected) in cases {
            let text = std::fs::read_to_string(directory.path().join(format!("{name}.jsonl"))).unwrap();
            assert_eq!(text, expected, "{name}");
        }
        assert_eq!(files.recover().unwrap(), 0);
    }
}
