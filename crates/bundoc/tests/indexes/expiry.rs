//! Documents that expire.

use super::bed::{Bed, all, ids, on, set, until, up};
use bson::{DateTime, doc};
use bundoc::engine::{ChangeKind, ChangePosition, Engine, FindRequest, IndexSpec, IndexState};
use bundoc::{Clock, EngineOptions};
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;

fn bed_at(clock: &Clock) -> Bed {
    let (clock, expire_every) = (clock.clone(), Duration::from_millis(1));
    Bed::with(EngineOptions { clock, expire_every, ..EngineOptions::default() })
}

fn after_an_hour(path: &str) -> IndexSpec {
    IndexSpec { expire_after: Some(Duration::from_millis(HOUR_MS as u64)), ..on(vec![up(path)]) }
}

fn at(hours: i64) -> DateTime {
    DateTime::from_millis(hours * HOUR_MS)
}

fn left(bed: &Bed, collection: &str) -> Vec<String> {
    ids(&bed.find(collection, &FindRequest { limit: 1_000, ..FindRequest::default() }))
}

fn counted(bed: &Bed, collection: &str) -> u64 {
    bed.engine.collection(&bed.database, &super::bed::name(collection)).unwrap().unwrap().documents
}

#[tokio::test]
async fn documents_expire_by_their_date_and_leave_like_others() {
    let clock = Clock::standing_at(10 * HOUR_MS);
    let bed = bed_at(&clock);
    bed.fill(
        "c",
        &[
            doc! {"_id": "old", "at": at(8), "n": 1},
            doc! {"_id": "earliest counts", "at": [at(20), at(8)], "n": 2},
            doc! {"_id": "young", "at": at(10), "n": 3},
            doc! {"_id": "none", "n": 4},
            doc! {"_id": "number", "at": 5, "n": 5},
            doc! {"_id": "text", "at": "1970-01-01", "n": 6},
        ],
    )
    .await;
    bed.index("c", on(vec![up("n")])).await;
    assert_eq!(bed.index("c", after_an_hour("at")).await, IndexState::Ready);
    // The counter in memory follows a commit, a moment after readers see it.
    until("expiry", || counted(&bed, "c") == 4).await;
    assert_eq!(left(&bed, "c"), ["none", "number", "text", "young"]);
    assert_eq!(
        ids(&bed.find("c", &all(doc! {"n": {"$gte": 0}}, vec![up("n")]))),
        ["young", "none", "number", "text"]
    );
    let changes = bed.engine.changes(&bed.database, ChangePosition::default(), 100).unwrap();
    let removed: Vec<&str> = changes
        .iter()
        .filter(|change| matches!(change.kind, ChangeKind::Removed { .. }))
        .map(|change| change.id.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(removed, ["earliest counts", "old"]);

    clock.set(11 * HOUR_MS);
    until("expiry an hour later", || left(&bed, "c").len() == 3).await;
    let bed = bed.reopened();
    bed.write(vec![set("c", "none", doc! {"at": at(3)})]).await.unwrap();
    until("expiry after a restart", || left(&bed, "c").len() == 2).await;
    assert_eq!(left(&bed, "c"), ["number", "text"]);
}

#[tokio::test]
async fn a_filter_says_which_documents_expire_and_dropping_the_index_ends_it() {
    let clock = Clock::standing_at(10 * HOUR_MS);
    let bed = bed_at(&clock);
    let many: Vec<_> =
        (0..900).map(|n| doc! {"_id": format!("{n:03}"), "at": at(5), "done": n % 3 > 0}).collect();
    bed.fill("c", &many).await;
    let spec = IndexSpec { partial: Some(doc! {"done": true}), ..after_an_hour("at") };
    bed.index("c", spec).await;
    until("expiry", || left(&bed, "c").len() == 300).await;
    bed.engine.drop_index(&bed.database, &super::bed::name("c"), "at_1").await.unwrap();
    bed.write(vec![set("c", "000", doc! {"done": true})]).await.unwrap();
    bed.fill("d", &[doc! {"_id": "a", "at": at(5)}]).await;
    bed.index("d", after_an_hour("at")).await;
    until("expiry elsewhere", || left(&bed, "d").is_empty()).await;
    assert_eq!(left(&bed, "c").len(), 300);
}

#[tokio::test]
async fn a_group_index_lets_documents_of_all_its_collections_expire() {
    let clock = Clock::standing_at(10 * HOUR_MS);
    let bed = bed_at(&clock);
    bed.fill("rooms/a/messages", &[doc! {"_id": "1", "at": at(5)}, doc! {"_id": "2", "at": at(10)}]).await;
    bed.group_index("rooms/*/messages", after_an_hour("at")).await;
    bed.fill("rooms/b/messages", &[doc! {"_id": "1", "at": at(5)}]).await;
    bed.fill("other", &[doc! {"_id": "1", "at": at(5)}]).await;
    until("expiry", || {
        left(&bed, "rooms/a/messages").len() == 1 && left(&bed, "rooms/b/messages").is_empty()
    })
    .await;
    assert_eq!(left(&bed, "other").len(), 1);
}
