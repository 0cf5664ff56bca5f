//! Unique indexes together with sparse and partial ones, and while they are built.

use super::bed::{Bed, delete, insert, on, set, up};
use bson::doc;
use bundoc::EngineError;
use bundoc::engine::{Engine, IndexSpec, IndexState};

fn unique(path: &str) -> IndexSpec {
    IndexSpec { unique: true, ..on(vec![up(path)]) }
}

#[tokio::test]
async fn a_sparse_unique_index_lets_any_number_of_documents_lack_the_field() {
    let bed = Bed::new();
    bed.fill("c", &[doc! {"_id": "a"}, doc! {"_id": "b"}, doc! {"_id": "c", "mail": "x"}]).await;
    assert!(
        matches!(bed.index("c", unique("mail")).await, IndexState::Failed { .. }),
        "two without the field"
    );
    let sparse = IndexSpec { name: Some("sparse".into()), sparse: true, ..unique("mail") };
    assert_eq!(bed.index("c", sparse).await, IndexState::Ready);
    bed.fill("c", &[doc! {"_id": "d"}, doc! {"_id": "e", "mail": null}]).await;
    let taken = |result| matches!(result, Err(EngineError::UniqueViolation { .. }));
    assert!(taken(bed.write(vec![insert("c", &doc! {"_id": "f", "mail": "x"})]).await));
    assert!(taken(bed.write(vec![insert("c", &doc! {"_id": "f", "mail": null})]).await), "null is a value");
    bed.write(vec![
        set("c", "c", doc! {"$unset": {"mail": ""}}),
        insert("c", &doc! {"_id": "f", "mail": "x"}),
    ])
    .await
    .unwrap();
}

#[tokio::test]
async fn a_partial_unique_index_binds_only_what_its_filter_matches() {
    let bed = Bed::new();
    let spec = IndexSpec { partial: Some(doc! {"active": true}), ..unique("mail") };
    bed.fill("c", &[doc! {"_id": "a", "mail": "x", "active": true}, doc! {"_id": "b", "mail": "x"}]).await;
    assert_eq!(bed.index("c", spec).await, IndexState::Ready);
    bed.fill("c", &[doc! {"_id": "d", "mail": "x", "active": false}]).await;
    let activate = || set("c", "d", doc! {"active": true});
    assert!(matches!(bed.write(vec![activate()]).await, Err(EngineError::UniqueViolation { .. })));
    bed.write(vec![set("c", "a", doc! {"active": false}), activate()]).await.unwrap();
}

#[tokio::test]
async fn a_unique_index_fails_over_duplicates_wherever_they_come_from() {
    let bed = Bed::new();
    let mut documents: Vec<_> = (0..9_000).map(|n| doc! {"_id": format!("{n:05}"), "n": n}).collect();
    documents.push(doc! {"_id": "99999", "n": 0});
    bed.fill("c", &documents).await;
    let IndexState::Failed { reason } = bed.index("c", unique("n")).await else { panic!("built") };
    assert!(reason.contains("n_1"), "{reason}");
    // A failed index binds nobody.
    bed.fill("c", &[doc! {"_id": "x", "n": 1}]).await;
    let database = &bed.database;
    bed.engine.drop_index(database, &super::bed::name("c"), "n_1").await.unwrap();
    bed.write(vec![delete("c", "x"), delete("c", "99999")]).await.unwrap();
    assert_eq!(bed.index("c", unique("n")).await, IndexState::Ready);
}

#[tokio::test]
async fn a_write_during_a_build_is_held_to_uniqueness_with_what_is_built() {
    let bed = Bed::new();
    let documents: Vec<_> = (0..20_000).map(|n| doc! {"_id": format!("{n:05}"), "n": n}).collect();
    bed.fill("c", &documents).await;
    bed.engine.create_index(&bed.database, &super::bed::name("c"), unique("n")).await.unwrap();
    // Taken by a document that the build may not have reached: either the write or the build fails.
    let written = bed.write(vec![insert("c", &doc! {"_id": "zz", "n": 19_999})]).await.is_ok();
    let state = bed.index("c", unique("n")).await;
    assert_eq!(written, state != IndexState::Ready, "{state:?}");
}
