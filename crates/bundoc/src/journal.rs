//! Checks fjall's journals before fjall opens them. fjall takes whatever it cannot read for the torn end of
//! a journal and cuts it off, even where whole batches follow. Here, only the end of the active journal is
//! cut, and only where no valid batch follows; the cut bytes are kept. Everything else is damage: refused,
//! and no file is touched.
//!
//! That rests on the committer: every batch is synced before the next is begun, so a crash can tear the
//! last one only.

mod scan;
mod search;

use crate::error::EngineError;
use crate::home::write_durably;
use crate::recovery::CutTail;
use scan::{End, Scan};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

fn storage(error: std::io::Error) -> EngineError {
    EngineError::Storage(Box::new(error))
}

/// Checks all journals of `store`; a torn end is moved to `cut`.
pub(crate) fn check(store: &Path, cut: &Path) -> Result<Option<CutTail>, EngineError> {
    let journals = journals(store)?;
    let Some((active, sealed)) = journals.split_last() else { return Ok(None) };
    for journal in sealed {
        if let Torn::At { offset, .. } = examine(journal)? {
            return Err(damaged(journal, offset));
        }
    }
    match examine(active)? {
        Torn::No => Ok(None),
        Torn::At { offset, followed: true, .. } => Err(damaged(active, offset)),
        Torn::At { offset, tail, .. } => cut_tail(active, offset, &tail, cut).map(Some),
    }
}

/// The journals in the order in which they were written.
fn journals(store: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let entries = match std::fs::read_dir(store) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(storage(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(storage)?.path();
        let number =
            path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Whether a journal ends before its file does.
enum Torn {
    No,
    At {
        offset: u64,
        /// Whether a valid batch follows.
        followed: bool,
        /// What follows, without the zeros at its end.
        tail: Vec<u8>,
    },
}

fn examine(journal: &Path) -> Result<Torn, EngineError> {
    let mut file = File::open(journal).map_err(storage)?;
    let Scan { valid_bytes, last_sequence, end } = scan::run(&file).map_err(storage)?;
    if end == End::Clean {
        return Ok(Torn::No);
    }
    file.seek(SeekFrom::Start(valid_bytes)).map_err(storage)?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).map_err(storage)?;
    let used = tail.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    tail.truncate(used);
    if tail.is_empty() {
        return Ok(Torn::No);
    }
    let followed = search::holds_batch_after(&tail, last_sequence);
    Ok(Torn::At { offset: valid_bytes, followed, tail })
}

fn damaged(journal: &Path, offset: u64) -> EngineError {
    EngineError::Damaged(format!(
        "{} is damaged at byte {offset} and valid data follows, so nothing was changed: restore the store from \
         a copy; to go on with what was written before, move this file and later ones (N.jnl with a higher N) \
         out of the directory, which loses every write in them",
        journal.display()
    ))
}

fn cut_tail(journal: &Path, offset: u64, tail: &[u8], cut: &Path) -> Result<CutTail, EngineError> {
    std::fs::create_dir_all(cut).map_err(storage)?;
    let name = journal.file_name().and_then(|name| name.to_str()).unwrap_or("journal");
    let kept_in = free_name(cut, &format!("{name}.{offset}"));
    write_durably(&kept_in, tail)?;
    let file = OpenOptions::new().write(true).open(journal).map_err(storage)?;
    file.set_len(offset).and_then(|()| file.sync_all()).map_err(storage)?;
    Ok(CutTail { file: journal.to_owned(), offset, bytes: tail.len() as u64, kept_in })
}

/// A file that is not there yet.
fn free_name(directory: &Path, name: &str) -> PathBuf {
    let mut path = directory.join(name);
    let mut number = 1_u32;
    while path.exists() {
        path = directory.join(format!("{name}.{number}"));
        number += 1;
    }
    path
}

/// Batches, then anything: every batch is kept, and nothing panics.
///
/// # Panics
/// Where that does not hold.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn examine_any(input: &[u8]) {
    let (batches, rest) = input.split_first().map_or((0, input), |(first, rest)| (first % 4, rest));
    let mut journal: Vec<u8> =
        (0..batches).flat_map(|number| scan::batch(u64::from(number) + 1, rest)).collect();
    let valid_bytes = journal.len() as u64;
    journal.extend_from_slice(rest);
    let scan = scan::run(journal.as_slice()).expect("memory can be read");
    assert!(scan.valid_bytes >= valid_bytes, "a valid batch is not seen");
    if scan.end == End::Torn {
        search::holds_batch_after(&journal[scan.valid_bytes as usize..], scan.last_sequence);
    }
    let damaged = [&[9; 7], scan::batch(u64::MAX, rest).as_slice()].concat();
    assert!(search::holds_batch_after(&damaged, Some(1)), "a valid batch behind damage is not seen");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ends_of_any_bytes_are_judged(input in vec(any::<u8>(), 0..300)) {
            examine_any(&input);
        }

        #[test]
        fn ends_made_of_parts_of_batches_are_judged(
            batches in 0..4_u8,
            parts in vec((0..60_usize, 0..60_usize, any::<u64>()), 0..6),
        ) {
            let mut input = vec![batches];
            for (from, length, sequence) in parts {
                let batch = scan::batch(sequence, b"value");
                input.extend(batch.iter().skip(from).take(length));
            }
            examine_any(&input);
        }
    }
}
