//! Queries and indexes over all collections that match a pattern.

use super::bed::{Bed, all, delete, down, id_of, insert, name, on, pattern, set, up};
use bson::{Document, doc};
use bundoc::EngineError;
use bundoc::engine::{Actor, Engine, FieldOrder, FindRequest, GroupPage, IndexSpec, RuleAuth, RuleSet};
use std::sync::Arc;

const POSTS: &str = "users/*/posts";

fn places(page: &GroupPage) -> Vec<String> {
    let place = |found: &bundoc::engine::GroupDocument| {
        format!("{} {}", found.collection, id_of(&found.document.document))
    };
    page.documents.iter().map(place).collect()
}

fn post(user: usize, number: usize) -> (String, Document) {
    let document = doc! {
        "_id": format!("p{number:02}"), "likes": (number * 7 + user) as i32 % 5, "by": user as i32, "owner": user.to_string(),
        "tags": [number as i32 % 3, "all"],
    };
    (format!("users/u{user}/posts"), document)
}

async fn fill(bed: &Bed, users: std::ops::Range<usize>) {
    for user in users {
        let operations = (0..12).map(|number| post(user, number));
        let operations = operations.map(|(collection, document)| insert(&collection, &document));
        bed.write(operations.collect()).await.unwrap();
    }
}

fn paged(bed: &Bed, request: &FindRequest, limit: usize) -> Vec<String> {
    let mut request = FindRequest { limit, ..request.clone() };
    let mut found = Vec::new();
    loop {
        let page = bed.find_group(POSTS, &request, &Actor::Trusted);
        found.extend(places(&page));
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return found,
        }
    }
}

fn requests() -> Vec<FindRequest> {
    let sorts: Vec<Vec<FieldOrder>> =
        vec![vec![], vec![up("likes")], vec![down("likes")], vec![up("_id")], vec![down("by"), up("likes")]];
    let filters = [
        doc! {},
        doc! {"likes": 3},
        doc! {"likes": {"$gte": 2}, "by": {"$ne": 4}},
        doc! {"tags": {"$in": [1, "all"]}},
        doc! {"$or": [{"likes": 1}, {"by": 2}]},
        doc! {"_id": {"$gt": "p08"}},
    ];
    filters.iter().flat_map(|filter| sorts.iter().map(|sort| all(filter.clone(), sort.clone()))).collect()
}

#[tokio::test]
async fn a_group_index_changes_no_answer_and_new_collections_join_it() {
    let (plain, indexed) = (Bed::new(), Bed::new());
    fill(&indexed, 0..3).await;
    indexed.group_index(POSTS, on(vec![up("likes")])).await;
    indexed
        .group_index(POSTS, IndexSpec { name: Some("t".into()), ..on(vec![up("tags"), down("by")]) })
        .await;
    fill(&indexed, 3..6).await;
    fill(&plain, 0..6).await;
    for bed in [&plain, &indexed] {
        bed.fill("users/u1/drafts", &[doc! {"_id": "d", "likes": 3}]).await;
        bed.write(vec![delete("users/u2/posts", "p03"), set("users/u3/posts", "p04", doc! {"likes": 3})])
            .await
            .unwrap();
    }
    let indexed = indexed.reopened();
    let mut used = 0;
    for request in requests() {
        let expected = bed_places(&plain, &request);
        assert_eq!(bed_places(&indexed, &request), expected, "{request:?}");
        assert_eq!(paged(&plain, &request, 5), expected, "in pages {request:?}");
        assert_eq!(paged(&indexed, &request, 5), expected, "in pages by an index {request:?}");
        used += usize::from(indexed.find_group(POSTS, &request, &Actor::Trusted).index.is_some());
    }
    assert!(used >= 6, "indexes were used {used} times");
}

fn bed_places(bed: &Bed, request: &FindRequest) -> Vec<String> {
    places(&bed.find_group(POSTS, request, &Actor::Trusted))
}

#[tokio::test]
async fn a_page_in_the_order_of_a_group_index_examines_only_itself() {
    let bed = Bed::new();
    fill(&bed, 0..20).await;
    let name = bed.group_index(POSTS, on(vec![down("likes")])).await;
    let request = FindRequest { limit: 5, ..all(doc! {}, vec![down("likes")]) };
    let page = bed.find_group(POSTS, &request, &Actor::Trusted);
    assert_eq!((page.index.as_deref(), page.examined), (Some(name.as_str()), 5));
}

#[tokio::test]
async fn each_document_is_decided_by_the_rules_of_its_own_collection() {
    let bed = Bed::new();
    let rules = |read: &str| RuleSet { read: Some(read.into()), ..RuleSet::default() };
    let own = rules("resource.data.owner == request.auth.uid");
    for (user, rules) in [(0, own.clone()), (1, rules("true")), (2, RuleSet::default()), (3, own)] {
        let collection = name(&format!("users/u{user}/posts"));
        bed.engine.create_collection(&bed.database, &collection, rules).await.unwrap();
    }
    fill(&bed, 0..4).await;
    let actor = Actor::Ruled(Arc::new(RuleAuth { uid: Some("3".into()), claims: doc! {} }));
    let seen = |bed: &Bed| {
        let page = bed.find_group(POSTS, &all(doc! {"likes": {"$gte": 0}}, vec![]), &actor);
        let mut collections: Vec<String> =
            page.documents.iter().map(|found| found.collection.to_string()).collect();
        collections.dedup();
        (page.documents.len(), collections)
    };
    let expected = (24, vec!["users/u1/posts".to_owned(), "users/u3/posts".to_owned()]);
    assert_eq!(seen(&bed), expected);
    bed.group_index(POSTS, on(vec![up("likes")])).await;
    assert_eq!(seen(&bed), expected);
    let nothing = bed.find_group("nothing/*", &all(doc! {}, vec![]), &actor);
    assert!(nothing.documents.is_empty());
}

#[tokio::test]
async fn a_dropped_collection_leaves_no_entries_and_a_later_one_of_its_name_gets_its_own() {
    let bed = Bed::new();
    fill(&bed, 0..3).await;
    bed.group_index(POSTS, on(vec![up("likes")])).await;
    let request = all(doc! {"likes": {"$gte": 0}}, vec![up("likes")]);
    for user in [0, 1] {
        bed.engine.drop_collection(&bed.database, &name(&format!("users/u{user}/posts"))).await.unwrap();
    }
    assert_eq!(bed_places(&bed, &request).len(), 12);
    fill(&bed, 0..1).await;
    assert_eq!(bed_places(&bed, &request).len(), 24);
    // What is left of the first ones goes in the background, and takes nothing of the new one with it.
    let bed = bed.reopened();
    super::bed::until("the removal of entries", || {
        bed.find_group(POSTS, &request, &Actor::Trusted).examined == 24
    })
    .await;
    assert_eq!(bed_places(&bed, &request).len(), 24);
}

#[tokio::test]
async fn group_indexes_are_listed_dropped_and_limited() {
    let bed = Bed::new();
    assert!(bed.engine.group_indexes(&bed.database).unwrap().is_empty());
    let spec = || on(vec![up("likes")]);
    bed.group_index(POSTS, spec()).await;
    bed.group_index(POSTS, spec()).await;
    bed.group_index("teams/*/posts", spec()).await;
    assert_eq!(bed.engine.group_indexes(&bed.database).unwrap().len(), 2);
    let other = IndexSpec { sparse: true, ..spec() };
    let refused = bed.engine.create_group_index(&bed.database, &pattern(POSTS), other).await;
    assert!(matches!(refused, Err(EngineError::IndexExists(_))));
    let unique = IndexSpec { unique: true, ..spec() };
    let refused = bed.engine.create_group_index(&bed.database, &pattern("a/*"), unique).await;
    assert!(matches!(refused, Err(EngineError::InvalidIndex(_))));
    bed.engine.drop_group_index(&bed.database, &pattern(POSTS), "likes_1").await.unwrap();
    let again = bed.engine.drop_group_index(&bed.database, &pattern(POSTS), "likes_1").await;
    assert!(matches!(again, Err(EngineError::IndexNotFound(_))));
    let bed = bed.reopened();
    let left = bed.engine.group_indexes(&bed.database).unwrap();
    assert_eq!(left.iter().map(|index| index.pattern.as_str()).collect::<Vec<_>>(), ["teams/*/posts"]);
    bed.engine.purge(&bed.database).await.unwrap();
    assert!(bed.engine.group_indexes(&bed.database).unwrap().is_empty());
}
