//! That the check sees what it is there to see: each test breaks one thing in the keyspaces.

use crate::engine::{
    Actor, CollectionName, DatabaseName, DocumentId, Engine, FieldOrder, IndexSpec, IndexState, Order,
    WriteOp,
};
use crate::layout::Space;
use crate::store::KeyRange;
use crate::{EngineOptions, FjallEngine};
use bson::rawdoc;
use fjall::Slice;
use std::ops::Bound;
use std::sync::Arc;

type Write = ((Space, Slice), Option<Slice>);

/// A store with two documents, an index over one field, and a change for each.
async fn filled(directory: &std::path::Path) -> Arc<FjallEngine> {
    let (engine, _) = FjallEngine::open(directory, EngineOptions::default()).unwrap();
    let (database, collection) = names();
    for (id, number) in [("a", 1), ("b", 2)] {
        let document = rawdoc! {"_id": id, "n": [number, 10 + number]};
        let insert = WriteOp::Insert { collection: collection.clone(), document };
        engine.write(&database, vec![insert], &Actor::Trusted).await.unwrap();
    }
    let fields = vec![FieldOrder { path: "n".into(), order: Order::Ascending }];
    engine.create_index(&database, &collection, IndexSpec { fields, ..IndexSpec::default() }).await.unwrap();
    while engine.collection(&database, &collection).unwrap().unwrap().indexes[0].state != IndexState::Ready {
        tokio::task::yield_now().await;
    }
    engine
}

fn names() -> (DatabaseName, CollectionName) {
    (DatabaseName::parse("db").unwrap(), CollectionName::parse("c").unwrap())
}

/// The entries of a keyspace.
fn entries(engine: &FjallEngine, space: Space) -> Vec<(Slice, Slice)> {
    let everything = KeyRange { from: Bound::Unbounded, to: Bound::Unbounded };
    engine.store().view().ascending(space, everything).map(Result::unwrap).collect()
}

fn remove(space: Space, key: &Slice) -> Vec<Write> {
    vec![((space, key.clone()), None)]
}

/// The problems after `writes` went past the engine.
fn problems(engine: &FjallEngine, writes: Vec<Write>) -> Vec<String> {
    engine.store().commit(writes.into_iter()).unwrap();
    engine.check().unwrap().problems
}

fn one_problem(found: &[String], text: &str) {
    assert!(found.iter().any(|problem| problem.contains(text)), "`{text}` is not in {found:?}");
}

#[tokio::test]
async fn a_sound_store_has_no_problems() {
    let directory = tempfile::tempdir().unwrap();
    let engine = filled(directory.path()).await;
    let report = engine.check().unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!((report.documents, report.index_entries, report.changes), (2, 4, 2));
}

#[tokio::test]
async fn a_missing_entry_and_one_too_many_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let engine = filled(directory.path()).await;
    let (key, value) = entries(&engine, Space::Indexes).remove(0);
    one_problem(&problems(&engine, remove(Space::Indexes, &key)), "an entry of index n_1 is missing");
    let other = [&key[..], b"x"].concat();
    let found = problems(
        &engine,
        vec![((Space::Indexes, key), Some(value.clone())), ((Space::Indexes, other.into()), Some(value))],
    );
    assert_eq!(found.len(), 2, "{found:?}");
    one_problem(&found, "which does not have that key");
    one_problem(&found, "the counter says");
}

#[tokio::test]
async fn a_lost_document_is_found_by_counter_index_and_feed() {
    let directory = tempfile::tempdir().unwrap();
    let engine = filled(directory.path()).await;
    let (key, _) = entries(&engine, Space::Documents).remove(0);
    let found = problems(&engine, remove(Space::Documents, &key));
    one_problem(&found, "the counter says 2");
    one_problem(&found, "which does not have that key");
    one_problem(&found, "the feed has it");
}

#[tokio::test]
async fn a_gap_in_the_feed_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let engine = filled(directory.path()).await;
    let (key, _) = entries(&engine, Space::Changes).remove(0);
    let found = problems(&engine, remove(Space::Changes, &key));
    one_problem(&found, "should have 2 entries and has 1");
    one_problem(&found, "its last change is not in the feed");
}

#[tokio::test]
async fn an_older_document_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let engine = filled(directory.path()).await;
    let (database, collection) = names();
    let (key, before) = entries(&engine, Space::Documents).remove(0);
    let replace = WriteOp::Replace {
        collection,
        id: DocumentId::parse("a").unwrap(),
        document: rawdoc! {"n": [1, 11], "other": true},
        precondition: Default::default(),
    };
    engine.write(&database, vec![replace], &Actor::Trusted).await.unwrap();
    let found = problems(&engine, vec![((Space::Documents, key), Some(before))]);
    one_problem(&found, "version 1, but the feed has it at 3");
}

#[tokio::test]
async fn keys_of_nothing_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let engine = filled(directory.path()).await;
    let key = |bytes: &[u8]| Slice::from(bytes);
    let value = Some(Slice::from([]));
    let stray = crate::layout::pair(1, 900);
    let found = problems(
        &engine,
        vec![
            ((Space::Indexes, key(&stray)), value.clone()),
            ((Space::Catalog, key(&crate::catalog::record::multikey_key(1, 900))), value),
        ],
    );
    one_problem(&found, "indexes: keys of");
    one_problem(&found, "catalog:");
}
