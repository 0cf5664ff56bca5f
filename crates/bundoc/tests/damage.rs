//! Damaged files: what is cut, what is refused, what is reported; and that nothing panics.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

use bson::{RawDocumentBuf, doc};
use bundoc::engine::{Actor, CollectionName, DatabaseName, DocumentId, Engine, FindRequest, WriteOp};
use bundoc::{EngineError, EngineOptions, FjallEngine, RecoveryReport};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn database() -> DatabaseName {
    DatabaseName::parse("db").unwrap()
}

fn collection() -> CollectionName {
    CollectionName::parse("c").unwrap()
}

fn open(path: &Path) -> Result<(Arc<FjallEngine>, RecoveryReport), EngineError> {
    FjallEngine::open(path, EngineOptions::default())
}

async fn insert(engine: &FjallEngine, key: &str) -> u64 {
    let document = RawDocumentBuf::try_from(&doc! {"_id": key, "text": "x".repeat(200)}).unwrap();
    let operation = WriteOp::Insert { collection: collection(), document };
    engine.write(&database(), vec![operation], &Actor::Trusted).await.unwrap().number
}

fn has(engine: &FjallEngine, key: &str) -> bool {
    engine
        .get(&database(), &collection(), &DocumentId::parse(key).unwrap(), &Actor::Trusted)
        .unwrap()
        .is_some()
}

/// A store with `documents` commits of one document each, closed again.
async fn filled(path: &Path, documents: usize) {
    let (engine, _) = open(path).unwrap();
    for number in 0..documents {
        insert(&engine, &format!("d{number}")).await;
    }
}

fn journal(path: &Path) -> PathBuf {
    path.join("store").join("0.jnl")
}

/// Where each batch of the journal ends: behind its magic bytes.
fn batch_ends(bytes: &[u8]) -> Vec<usize> {
    bytes.windows(4).enumerate().filter(|(_, window)| *window == b"FJL\x03").map(|(at, _)| at + 4).collect()
}

#[tokio::test]
async fn a_torn_end_is_cut_kept_and_reported_and_the_store_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), 3).await;
    let bytes = fs::read(journal(directory.path())).unwrap();
    let ends = batch_ends(&bytes);
    let end = *ends.last().unwrap();
    // Half of another batch, as a crash in the middle of a write leaves it.
    let torn = [&bytes[..end], &bytes[ends[ends.len() - 2]..end - 30]].concat();
    fs::write(journal(directory.path()), &torn).unwrap();
    let (engine, report) = open(directory.path()).unwrap();
    let cut = report.cut.unwrap();
    // Zeros at the end are what a file has that was made longer and not written: they are not counted.
    let written = torn.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    assert_eq!((cut.offset, cut.bytes), (end as u64, (written - end) as u64));
    assert_eq!(fs::read(&cut.kept_in).unwrap(), &torn[end..written]);
    assert_eq!((report.last_commit, report.lost), (3, None));
    assert!(has(&engine, "d2"));
    assert_eq!(insert(&engine, "after").await, 4);
    drop(engine);
    let (engine, report) = open(directory.path()).unwrap();
    assert_eq!((report.cut, report.lost, report.last_commit), (None, None, 4));
    assert!(has(&engine, "after"));
}

#[tokio::test]
async fn a_damaged_last_batch_is_cut_and_its_commit_is_reported_as_lost() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), 3).await;
    let mut bytes = fs::read(journal(directory.path())).unwrap();
    let end = *batch_ends(&bytes).last().unwrap();
    bytes[end - 40] ^= 1;
    fs::write(journal(directory.path()), &bytes).unwrap();
    let (engine, report) = open(directory.path()).unwrap();
    assert!(report.cut.is_some());
    assert_eq!((report.last_commit, report.lost), (2, Some(3..=3)));
    assert!(has(&engine, "d1") && !has(&engine, "d2"));
    assert_eq!(insert(&engine, "d2").await, 4, "the number of a lost commit is not used again");
    drop(engine);
    let (engine, report) = open(directory.path()).unwrap();
    assert_eq!((report.cut, report.lost), (None, None));
    assert!(has(&engine, "d2"));
}

#[tokio::test]
async fn damage_before_valid_data_is_refused_and_no_file_changes() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), 4).await;
    let sound = fs::read(journal(directory.path())).unwrap();
    let ends = batch_ends(&sound);
    let middle = ends[ends.len() - 2];
    let places = [middle - 40, middle - 2, middle + 1, 1];
    for place in places {
        let mut bytes = sound.clone();
        bytes[place] ^= 0x40;
        fs::write(journal(directory.path()), &bytes).unwrap();
        // Damage in the last batch has nothing valid behind it, so it is another case.
        if place == middle + 1 {
            continue;
        }
        let Err(EngineError::Damaged(text)) = open(directory.path()).map(|_| ()) else {
            panic!("damage at {place} was not refused");
        };
        assert!(text.contains("0.jnl") && text.contains("at byte") && text.contains("copy"), "{text}");
        assert_eq!(fs::read(journal(directory.path())).unwrap(), bytes);
    }
    fs::write(journal(directory.path()), &sound).unwrap();
    let (engine, report) = open(directory.path()).unwrap();
    assert_eq!((report.cut, report.lost), (None, None));
    assert!(has(&engine, "d3"));
}

#[tokio::test]
async fn damage_in_a_sealed_journal_is_refused_even_at_its_end() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), 2).await;
    let bytes = fs::read(journal(directory.path())).unwrap();
    let end = *batch_ends(&bytes).last().unwrap();
    fs::write(directory.path().join("store").join("1.jnl"), []).unwrap();
    fs::write(journal(directory.path()), &bytes[..end - 5]).unwrap();
    assert!(matches!(open(directory.path()), Err(EngineError::Damaged(_))));
    assert_eq!(fs::read(journal(directory.path())).unwrap(), &bytes[..end - 5]);
}

#[tokio::test]
async fn a_damaged_table_is_an_error_and_no_panic() {
    let directory = tempfile::tempdir().unwrap();
    let options = || EngineOptions { memtable_bytes: 16 * 1024, cache_bytes: 0, ..EngineOptions::default() };
    let (engine, _) = FjallEngine::open(directory.path(), options()).unwrap();
    for number in 0..600 {
        insert(&engine, &format!("d{number}")).await;
    }
    drop(engine);
    let tables = tables(&directory.path().join("store").join("keyspaces"));
    assert!(!tables.is_empty());
    for table in &tables {
        let mut bytes = fs::read(table).unwrap();
        let end = bytes.len() / 2;
        bytes[40..end].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(table, bytes).unwrap();
    }
    let failed = |error: &EngineError| matches!(error, EngineError::Damaged(_) | EngineError::Storage(_));
    match FjallEngine::open(directory.path(), options()) {
        Err(error) => assert!(failed(&error), "{error:?}"),
        Ok((engine, _)) => {
            let request = FindRequest { filter: doc! {"text": 1}, limit: 10, ..FindRequest::default() };
            let error = engine.find(&database(), &collection(), &request, &Actor::Trusted).unwrap_err();
            assert!(failed(&error), "{error:?}");
        }
    }
}

fn tables(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name == "tables") {
            found.extend(fs::read_dir(path).unwrap().map(|table| table.unwrap().path()));
        } else if path.is_dir() && path.file_name().is_some_and(|name| name != "0") {
            found.extend(tables(&path));
        }
    }
    found
}

#[tokio::test]
async fn a_directory_in_use_or_of_another_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, _) = open(directory.path()).unwrap();
    assert!(matches!(open(directory.path()), Err(EngineError::Locked { .. })));
    drop(engine);
    fs::write(directory.path().join("FORMAT"), "bundoc 9\n").unwrap();
    assert!(matches!(open(directory.path()), Err(EngineError::NewerFormat { found: 9, known: 3, .. })));
    fs::write(directory.path().join("FORMAT"), "bundoc 2\n").unwrap();
    assert!(matches!(open(directory.path()), Err(EngineError::OlderFormat { found: 2, oldest: 3, .. })));
    fs::write(directory.path().join("FORMAT"), "something").unwrap();
    assert!(matches!(open(directory.path()), Err(EngineError::Damaged(_))));
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_keeps_reading() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), 1).await;
    let options = EngineOptions { disk_reserve_bytes: u64::MAX, ..EngineOptions::default() };
    let (engine, _) = FjallEngine::open(directory.path(), options).unwrap();
    let document = RawDocumentBuf::try_from(&doc! {"_id": "no"}).unwrap();
    let operation = WriteOp::Insert { collection: collection(), document };
    let refused = engine.write(&database(), vec![operation], &Actor::Trusted).await;
    assert!(matches!(refused, Err(EngineError::DiskFull)));
    assert!(has(&engine, "d0"));
    drop(engine);
    let (engine, _) = open(directory.path()).unwrap();
    assert_eq!(insert(&engine, "yes").await, 2);
}
