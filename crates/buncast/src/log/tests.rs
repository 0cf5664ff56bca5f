//! Tests of the log: what survives, what is cut, what is refused.

use super::open::OpenLog;
use super::reader::{Read, Reader};
use super::{LogError, Retention, topic_directory};
use crate::budget::{Budget, Total};
use crate::run::{Draft, Part};
use ports::events::{Realm, Topic};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const SEGMENT_BYTES: u64 = 1_000;
const KEEP: Retention = Retention { age_seconds: 3_600, bytes_max: 1 << 30 };

fn topic() -> Topic {
    Topic::parse("orders.created").unwrap()
}

fn open(directory: &Path) -> Result<Arc<OpenLog>, LogError> {
    OpenLog::open(directory, SEGMENT_BYTES).map(Arc::new)
}

/// Writes one block with these payloads and lets readers see it.
fn append(log: &OpenLog, payloads: &[String], age: Duration) -> u64 {
    let mut draft = Draft::new(topic(), SystemTime::now() - age, 0);
    payloads.iter().for_each(|payload| draft.push(payload.as_bytes()));
    let first = log.append(&[draft], KEEP).unwrap();
    log.advance(first + payloads.len() as u64);
    first
}

fn numbered(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("event {number}")).collect()
}

fn reader(log: &Arc<OpenLog>, from: u64) -> Reader {
    Reader::new(log.clone(), topic(), Budget::new(Total::new(1 << 30), 1 << 30), from)
}

/// Reads to the end: offsets and payloads, and whether it had to go on elsewhere.
fn read_all(log: &Arc<OpenLog>, from: u64) -> (Vec<(u64, String)>, bool) {
    let (mut reader, mut events, mut resync) = (reader(log, from), Vec::new(), false);
    loop {
        match reader.read().unwrap() {
            Read::End => return (events, resync),
            Read::Resync => resync = true,
            Read::Parts(parts) => events.extend(
                parts
                    .iter()
                    .flat_map(Part::events)
                    .map(|event| (event.offset.unwrap(), String::from_utf8(event.payload.to_vec()).unwrap())),
            ),
        }
    }
}

fn expected(numbers: std::ops::Range<u64>) -> Vec<(u64, String)> {
    numbers.clone().zip(numbered(numbers)).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn events_are_read_from_any_offset_across_files_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    for start in (0..300).step_by(10) {
        let log = open(directory.path()).unwrap();
        assert_eq!(append(&log, &numbered(start..start + 10), Duration::ZERO), start);
        assert_eq!(read_all(&log, 0).0, expected(0..start + 10));
    }
    assert!(files(directory.path()).len() > 3);
    let log = open(directory.path()).unwrap();
    for from in [0, 1, 9, 10, 155, 299, 300] {
        assert_eq!(read_all(&log, from), (expected(from..300), false), "from {from}");
    }
    assert_eq!(read_all(&log, 301), (expected(0..300), true));
}

#[test]
fn a_reader_sees_what_is_appended_after_it_came_to_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).unwrap();
    append(&log, &numbered(0..5), Duration::ZERO);
    let mut reader = reader(&log, 0);
    assert!(matches!(reader.read().unwrap(), Read::Parts(_)));
    assert!(matches!(reader.read().unwrap(), Read::End));
    append(&log, &numbered(5..200), Duration::ZERO);
    append(&log, &numbered(200..201), Duration::ZERO);
    let mut seen = 5;
    while let Read::Parts(parts) = reader.read().unwrap() {
        seen += parts.iter().map(Part::len).sum::<usize>();
    }
    assert_eq!(seen, 201);
}

#[test]
fn a_torn_end_is_cut_wherever_it_tears() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).unwrap();
    append(&log, &numbered(0..3), Duration::ZERO);
    let whole = log.size().bytes;
    append(&log, &numbered(3..6), Duration::ZERO);
    drop(log);
    let path = files(directory.path()).remove(0);
    let bytes = std::fs::read(&path).unwrap();
    for end in whole as usize..bytes.len() {
        std::fs::write(&path, &bytes[..end]).unwrap();
        let log = open(directory.path()).unwrap();
        assert_eq!(read_all(&log, 0).0, expected(0..3), "cut at {end}");
        assert_eq!(append(&log, &numbered(3..4), Duration::ZERO), 3);
    }
}

#[test]
fn garbage_behind_the_last_block_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    append(&open(directory.path()).unwrap(), &numbered(0..3), Duration::ZERO);
    let path = files(directory.path()).remove(0);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(&[0xa5; 500]).unwrap();
    assert_eq!(read_all(&open(directory.path()).unwrap(), 0).0, expected(0..3));
}

#[test]
fn damage_before_whole_blocks_is_refused_with_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).unwrap();
    append(&log, &numbered(0..3), Duration::ZERO);
    append(&log, &numbered(3..6), Duration::ZERO);
    drop(log);
    let path = files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = open(directory.path()).unwrap_err();
    assert!(matches!(error, LogError::Damaged { position: 16, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()) && text.contains("restore"), "{text}");
}

#[test]
fn damage_in_a_closed_file_is_found_when_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).unwrap();
    (0..200).for_each(|number| _ = append(&log, &numbered(number..number + 1), Duration::ZERO));
    drop(log);
    let path = files(directory.path()).remove(1);
    let length = std::fs::metadata(&path).unwrap().len();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
    let log = open(directory.path()).unwrap();
    let mut reader = reader(&log, 0);
    let error = std::iter::repeat_with(|| reader.read()).find_map(Result::err).unwrap();
    assert!(matches!(&error, LogError::Damaged { path: named, .. } if *named == path.display().to_string()));
}

#[test]
fn retention_removes_whole_files_by_size_and_by_age() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).unwrap();
    (0..200).for_each(|number| _ = append(&log, &numbered(number..number + 1), Duration::ZERO));
    let before = log.size();
    log.tend(Retention { bytes_max: before.bytes / 2, ..KEEP }).unwrap();
    let after = log.size();
    assert!(after.first > 0 && after.next == 200 && after.bytes <= before.bytes / 2, "{after:?}");
    assert_eq!(read_all(&log, 0), (expected(after.first..200), true));
    drop(log);
    let log = open(directory.path()).unwrap();
    assert_eq!(log.size(), after);
    append(&log, &numbered(200..201), Duration::from_secs(100));
    log.tend(Retention { age_seconds: 50, ..KEEP }).unwrap();
    // Files that are closed go by when their newest event was published; the open one as well.
    let left = log.size();
    assert_eq!(left.next, 201);
    assert_eq!(append(&log, &numbered(201..202), Duration::ZERO), 201);
    drop(log);
    assert_eq!(open(directory.path()).unwrap().size().next, 202);
}

#[test]
fn numbers_go_on_when_everything_was_too_old() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).unwrap();
    append(&log, &numbered(0..3), Duration::from_secs(100));
    log.tend(Retention { age_seconds: 50, ..KEEP }).unwrap();
    assert_eq!((log.size().first, log.size().next), (3, 3));
    drop(log);
    let log = open(directory.path()).unwrap();
    assert_eq!(append(&log, &numbered(3..4), Duration::ZERO), 3);
    assert_eq!(read_all(&log, 0), (expected(3..4), true));
}

#[test]
fn a_file_that_was_begun_and_never_written_is_taken_up() {
    let directory = tempfile::tempdir().unwrap();
    append(&open(directory.path()).unwrap(), &numbered(0..3), Duration::ZERO);
    std::fs::write(directory.path().join(format!("{:020}.log", 3)), b"BBEV").unwrap();
    let log = open(directory.path()).unwrap();
    assert_eq!(append(&log, &numbered(3..4), Duration::ZERO), 3);
    assert_eq!(read_all(&log, 0).0, expected(0..4));
}

#[test]
fn a_log_of_another_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    append(&open(directory.path()).unwrap(), &numbered(0..3), Duration::ZERO);
    let path = files(directory.path()).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[7] = 2;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(open(directory.path()).unwrap_err(), LogError::Unknown { .. }));
}

#[test]
fn no_topic_leaves_the_directory_of_its_realm() {
    let root = Path::new("/data/events");
    let long = "x".repeat(1_000);
    let names = ["..", "../../etc/passwd", "/etc/passwd", "a/b", "a", "A", long.as_str()];
    let directories: Vec<_> = names
        .iter()
        .filter_map(|name| Topic::parse(name).ok())
        .map(|topic| topic_directory(root, &Realm::System, &topic))
        .collect();
    for directory in &directories {
        assert_eq!(directory.parent(), Some(root.join("system").as_path()));
        let name = directory.file_name().unwrap().to_str().unwrap();
        assert!(name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    assert_eq!(directories.len(), 5);
    assert!(directories.iter().enumerate().all(|(at, one)| !directories[..at].contains(one)));
}
