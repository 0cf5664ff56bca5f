//! Builds in the background: progress, restarts, writes meanwhile.

use super::bed::{Bed, all, delete, down, ids, insert, name, on, set, until, up};
use bson::{Document, doc};
use bundoc::EngineOptions;
use bundoc::engine::{Actor, Engine, FindRequest, IndexSpec, IndexState};

const MANY: i32 = 20_000;

fn documents() -> Vec<Document> {
    (0..MANY).map(|n| doc! {"_id": format!("{n:06}"), "n": n % 1_000, "keep": n % 2 == 0}).collect()
}

fn specs() -> Vec<IndexSpec> {
    vec![
        on(vec![up("n")]),
        on(vec![down("n"), up("keep")]),
        IndexSpec { name: Some("partial".into()), partial: Some(doc! {"keep": true}), ..on(vec![up("n")]) },
        IndexSpec { name: Some("sparse".into()), sparse: true, ..on(vec![up("extra")]) },
    ]
}

#[tokio::test]
async fn builds_of_every_kind_go_on_after_a_restart_while_others_write() {
    let bed = Bed::with(EngineOptions { memtable_bytes: 1 << 20, ..EngineOptions::default() });
    bed.fill("c", &documents()).await;
    for spec in specs() {
        bed.engine.create_index(&bed.database, &name("c"), spec).await.unwrap();
    }
    until("the first chunk", || {
        matches!(bed.state("c", "n_1"), IndexState::Building { documents_done } if documents_done > 0)
            || bed.state("c", "n_1") == IndexState::Ready
    })
    .await;
    let mut bed = bed.reopened();
    for round in 0..3 {
        let key = format!("{:06}", round * 6_000 + 17);
        bed.write(vec![
            delete("c", &key),
            set("c", &format!("{:06}", round * 5_000), doc! {"n": -1, "extra": round}),
            insert("c", &doc! {"_id": format!("new{round}"), "n": -2, "keep": true}),
        ])
        .await
        .unwrap();
        bed = bed.reopened();
    }
    for spec in specs() {
        assert_eq!(bed.index("c", spec).await, IndexState::Ready);
    }
    assert_eq!(bed.count("c", &doc! {"n": -1}), 3);
    assert_eq!(bed.count("c", &doc! {"n": -2, "keep": true}), 3);
    assert_eq!(bed.count("c", &doc! {"n": {"$gte": 0}}), MANY as u64 - 6);
    assert_eq!(bed.count("c", &doc! {"extra": {"$gte": 0}}), 3);
    for filter in [doc! {"n": 17}, doc! {"n": 17, "keep": true}, doc! {"n": {"$in": [0, 17, -1]}}] {
        let request = all(filter.clone(), vec![]);
        let indexed = bed.find("c", &request);
        assert!(indexed.index.is_some());
        // `$nor` says the same, and no index serves it.
        let plain = bed.find("c", &all(doc! {"$nor": [{"$nor": [filter.clone()]}]}, vec![]));
        assert_eq!((ids(&indexed), &plain.index), (ids(&plain), &None), "{filter}");
    }
}

#[tokio::test]
async fn a_group_build_goes_on_in_the_collection_where_it_stood() {
    let bed = Bed::new();
    for (place, some) in documents().chunks(2_500).enumerate() {
        bed.fill(&format!("g/{place}"), some).await;
    }
    let pattern = super::bed::pattern("g/*");
    bed.engine.create_group_index(&bed.database, &pattern, on(vec![up("n")])).await.unwrap();
    let mut bed = bed.reopened();
    for round in 0..3 {
        bed.fill(&format!("g/{round}new"), &[doc! {"_id": "x", "n": 5}]).await;
        bed.write(vec![delete(
            &format!("g/{round}"),
            documents()[round * 2_500 + 5].get_str("_id").unwrap(),
        )])
        .await
        .unwrap();
        bed = bed.reopened();
    }
    bed.group_index("g/*", on(vec![up("n")])).await;
    let request = all(doc! {"n": 5}, vec![]);
    let found = bed.find_group("g/*", &request, &Actor::Trusted);
    assert_eq!(found.index.as_deref(), Some("n_1"));
    let plain = bed.find_group("g/*", &all(doc! {"$nor": [{"n": {"$ne": 5}}]}, vec![]), &Actor::Trusted);
    let places = |page: &bundoc::engine::GroupPage| -> Vec<(String, String)> {
        let documents = page.documents.iter();
        documents.map(|d| (d.collection.to_string(), super::bed::id_of(&d.document.document))).collect()
    };
    assert_eq!(places(&found), places(&plain));
}

#[tokio::test]
async fn building_shows_how_far_it_is_and_an_unbuilt_index_serves_nothing() {
    let bed = Bed::new();
    bed.fill("c", &documents()).await;
    bed.engine.create_index(&bed.database, &name("c"), on(vec![up("n")])).await.unwrap();
    let request = FindRequest { limit: 1, ..all(doc! {"n": 999}, vec![]) };
    let mut seen = vec![0];
    loop {
        let page = bed.find("c", &request);
        match bed.state("c", "n_1") {
            IndexState::Building { documents_done } => {
                assert!(page.index.is_none());
                seen.push(documents_done);
            }
            IndexState::Ready => break,
            IndexState::Failed { reason } => panic!("{reason}"),
        }
        tokio::task::yield_now().await;
    }
    assert!(seen.is_sorted() && seen.iter().all(|done| *done <= MANY as u64), "{seen:?}");
    assert_eq!(bed.find("c", &request).index.as_deref(), Some("n_1"));
}
