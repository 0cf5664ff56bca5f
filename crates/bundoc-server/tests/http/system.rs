//! Documents of services: what `ports::documents` promises, and that nobody sees them from outside.

use crate::support::World;
use bson::{RawDocumentBuf, doc, rawdoc};
use http::Method;
use ports::documents::{At, Condition, Documents, DocumentsError, Find, Uniqueness, Write};
use serde_json::json;
use service_kit::ids::{EndUserId, ProjectId};

const USERS: &str = "_system/users";

fn put(document: RawDocumentBuf, condition: Condition) -> Write {
    Write::Put { collection: USERS.into(), document, condition }
}

fn delete(id: &str, condition: Condition) -> Write {
    Write::Delete { collection: USERS.into(), id: id.into(), condition }
}

/// What every implementation has to do.
async fn conforms(documents: &dyn Documents) {
    let (project, other) = (ProjectId::generate(), ProjectId::generate());
    let at = At { project: &project, collection: USERS };
    conditions_decide(documents, at).await;
    keys_are_unique(documents, at).await;
    pages_follow_each_other(documents, at).await;
    let elsewhere = At { project: &other, ..at };
    assert!(documents.get(elsewhere, "a").await.unwrap().is_none());
    let misnamed = At { collection: "users", ..at };
    assert!(matches!(documents.get(misnamed, "a").await, Err(DocumentsError::Invalid(_))));
}

async fn conditions_decide(documents: &dyn Documents, at: At<'_>) {
    assert!(documents.get(at, "a").await.unwrap().is_none());
    documents.write(at.project, vec![put(rawdoc! {"_id": "a", "n": 1}, Condition::Absent)]).await.unwrap();
    let again = documents.write(at.project, vec![put(rawdoc! {"_id": "a"}, Condition::Absent)]).await;
    assert!(matches!(again, Err(DocumentsError::Conflict)), "{again:?}");
    let first = documents.get(at, "a").await.unwrap().unwrap();
    assert_eq!(first.document.get_i32("n").unwrap(), 1);
    let newer = put(rawdoc! {"_id": "a", "n": 2}, Condition::Version(first.version));
    documents.write(at.project, vec![newer.clone()]).await.unwrap();
    let stale = documents.write(at.project, vec![newer, put(rawdoc! {"_id": "b"}, Condition::Any)]).await;
    assert!(matches!(stale, Err(DocumentsError::Conflict)), "{stale:?}");
    assert!(documents.get(at, "b").await.unwrap().is_none(), "a failed batch leaves nothing");
    let stale = documents.write(at.project, vec![delete("a", Condition::Version(first.version))]).await;
    assert!(matches!(stale, Err(DocumentsError::Conflict)), "{stale:?}");
    documents.write(at.project, vec![delete("a", Condition::Any)]).await.unwrap();
    let gone = documents.write(at.project, vec![delete("a", Condition::Any)]).await;
    assert!(matches!(gone, Err(DocumentsError::NotFound)), "{gone:?}");
    let nameless = documents.write(at.project, vec![put(rawdoc! {"n": 1}, Condition::Any)]).await;
    assert!(matches!(nameless, Err(DocumentsError::Invalid(_))), "{nameless:?}");
}

async fn keys_are_unique(documents: &dyn Documents, at: At<'_>) {
    for _ in 0..2 {
        documents.ensure_index(at, &["email"], Uniqueness::Unique).await.unwrap();
    }
    let with_email = |id: &str| put(rawdoc! {"_id": id, "email": "a@b.test"}, Condition::Any);
    documents.write(at.project, vec![with_email("a")]).await.unwrap();
    let second = documents.write(at.project, vec![with_email("b")]).await;
    assert!(matches!(second, Err(DocumentsError::Duplicate)), "{second:?}");
    documents.write(at.project, vec![delete("a", Condition::Any), with_email("b")]).await.unwrap();
    let find = Find { filter: doc! {"email": "a@b.test"}, limit: 2, ..Find::default() };
    let found = documents.find(at, find).await.unwrap().documents;
    let ids: Vec<_> = found.iter().map(|stored| stored.document.get_str("_id").unwrap()).collect();
    assert_eq!(ids, ["b"]);
    documents.write(at.project, vec![delete("b", Condition::Any)]).await.unwrap();
}

async fn pages_follow_each_other(documents: &dyn Documents, at: At<'_>) {
    let numbered = |n: i32| put(rawdoc! {"_id": format!("u{n}"), "email": n, "n": -n}, Condition::Any);
    documents.write(at.project, (0..5).map(numbered).collect()).await.unwrap();
    for (sort, wanted) in
        [(None, ["u0", "u1", "u2", "u3", "u4"]), (Some("n"), ["u4", "u3", "u2", "u1", "u0"])]
    {
        let (mut ids, mut cursor) = (Vec::new(), None);
        loop {
            let find = Find { sort: sort.map(str::to_owned), limit: 2, cursor, ..Find::default() };
            let page = documents.find(at, find).await.unwrap();
            ids.extend(
                page.documents.iter().map(|stored| stored.document.get_str("_id").unwrap().to_owned()),
            );
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(ids, wanted);
    }
    let malformed = Find { filter: doc! {"a": {"$no": 1}}, limit: 1, ..Find::default() };
    assert!(matches!(documents.find(at, malformed).await, Err(DocumentsError::Invalid(_))));
}

#[tokio::test]
async fn the_server_conforms() {
    conforms(&*World::start().server).await;
}

#[tokio::test]
async fn nobody_sees_or_touches_a_collection_of_a_service() {
    let world = World::start();
    let project = world.project();
    let document = rawdoc! {"_id": "u", "hash": "secret"};
    world.server.write(&project.id, vec![put(document, Condition::Absent)]).await.unwrap();
    project.put("users", [json!({ "_id": "x" })]).await;

    let list = project.secret(Method::GET, "/collections").send().await;
    assert_eq!(list.body["collections"].as_array().unwrap().len(), 1, "{list:?}");
    let asked = project.secret(Method::GET, "/collections?prefix=_system/").send().await;
    assert_eq!(asked.body["collections"], json!([]));

    for (method, path) in [
        (Method::GET, ""),
        (Method::PATCH, ""),
        (Method::DELETE, ""),
        (Method::GET, "/rules"),
        (Method::PUT, "/rules"),
        (Method::GET, "/indexes"),
        (Method::POST, "/indexes"),
        (Method::DELETE, "/indexes/email_1"),
        (Method::GET, "/documents"),
        (Method::POST, "/documents"),
        (Method::POST, "/documents/query"),
        (Method::GET, "/documents/u"),
        (Method::PUT, "/documents/u"),
        (Method::PATCH, "/documents/u"),
        (Method::DELETE, "/documents/u"),
    ] {
        let path = format!("/collections/_system%2Fusers{path}");
        let body = json!({});
        let by_key = project.secret(method.clone(), &path).json(&body).await;
        assert_eq!(by_key.refusal(), (404, "collection_not_found"), "{method} {path}");
        let by_owner = project.developer("owner", method.clone(), &path).json(&body).await;
        assert_eq!(by_owner.refusal(), (404, "collection_not_found"), "{method} {path}");
        let by_public = project.public(method.clone(), &path).json(&body).await;
        assert_eq!(by_public.refusal(), (403, "forbidden"), "{method} {path}");
    }
    let made = project.secret(Method::POST, "/collections").json(&json!({ "name": "_system/mine" })).await;
    assert_eq!(made.refusal(), (400, "invalid_name"));
    let insert = json!({ "op": "insert", "collection": "users", "document": { "_id": "y" } });
    let delete = json!({ "op": "delete", "collection": USERS, "id": "u" });
    let batch = project.secret(Method::POST, "/batch").json(&json!({ "operations": [insert, delete] })).await;
    assert_eq!(batch.refusal(), (404, "collection_not_found"));
    assert_eq!(batch.body["error"]["details"]["index"], 1);

    let at = At { project: &project.id, collection: USERS };
    assert!(world.server.get(at, "u").await.unwrap().is_some());
}

#[tokio::test]
async fn rules_see_the_end_user_and_the_claims() {
    let world = World::start();
    let project = world.project();
    let rule = "request.auth != null && (resource.data.owner == request.auth.uid \
                || request.auth.claims.level > 3)";
    project.open("notes", json!({ "read": rule })).await;
    let user = EndUserId::generate();
    project.put("notes", [json!({ "_id": "mine", "owner": user.as_str() }), json!({ "_id": "other" })]).await;
    let read = |claims: serde_json::Value| {
        let token = format!("Bearer {user} {claims}");
        project.public(Method::GET, "/collections/notes/documents").header("authorization", &token).send()
    };
    assert_eq!(read(json!({ "level": 1 })).await.ids(), ["mine"]);
    assert_eq!(read(json!({ "level": 4 })).await.ids(), ["mine", "other"]);
    let anonymous = project.public(Method::GET, "/collections/notes/documents").send().await;
    assert_eq!(anonymous.ids(), [""; 0]);
}
