//! Documents as a user meets them.

use crate::server::{Data, Server};
use serde_json::{Value, json};

const DOCUMENTS: &str = "/v1/database/collections/places/documents";

#[tokio::test]
async fn documents_are_written_found_changed_and_removed() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let secret = server.client().with_key(&project.secret_key);
    for (id, people) in [("a", 3), ("b", 1), ("c", 2)] {
        secret
            .post(DOCUMENTS, json!({ "_id": id, "people": people, "in": { "country": "IT" } }))
            .await
            .expect(201);
    }
    secret.post(DOCUMENTS, json!({ "_id": "a" })).await.expect_error(409, "document_exists");
    let index =
        json!({ "fields": [{ "path": "in.country", "order": 1 }, { "path": "people", "order": -1 }] });
    secret.post("/v1/database/collections/places/indexes", index).await.expect(201);
    let query = json!({ "query": { "in.country": "IT", "people": { "$gte": 2 } }, "sort": { "people": -1 }, "limit": 1 });
    let first = secret.post(&format!("{DOCUMENTS}/query"), query.clone()).await.expect(200);
    assert_eq!(first["documents"][0]["_id"], "a");
    let mut next = query;
    next["cursor"] = first["next_cursor"].clone();
    let second = secret.post(&format!("{DOCUMENTS}/query"), next).await.expect(200);
    assert_eq!(second["documents"][0]["_id"], "c");
    let patched = secret.patch(&format!("{DOCUMENTS}/b"), json!({ "in.city": "Roma" })).await.expect(200);
    assert_eq!(patched["in"], json!({ "country": "IT", "city": "Roma" }));
    secret.put(&format!("{DOCUMENTS}/b"), json!({ "people": 9 })).await.expect(200);
    assert_eq!(secret.get(&format!("{DOCUMENTS}/b")).await.expect(200), json!({ "_id": "b", "people": 9 }));
    secret.delete(&format!("{DOCUMENTS}/b")).await.expect(204);
    secret.get(&format!("{DOCUMENTS}/b")).await.expect_error(404, "document_not_found");
    // The developer's routes are the same handlers.
    let listed = ada
        .get(&format!("/v1/projects/{}/database/collections/places/documents", project.id))
        .await
        .expect(200);
    assert_eq!(listed["documents"].as_array().unwrap().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_batch_is_all_or_nothing() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let secret = server.client().with_key(&project.secret_key);
    secret.post(DOCUMENTS, json!({ "_id": "a", "n": 1 })).await.expect(201);
    let operations = json!({ "operations": [
        { "op": "insert", "collection": "places", "document": { "_id": "b" } },
        { "op": "update", "collection": "places", "id": "a", "update": { "$inc": { "n": 1 } } },
        { "op": "insert", "collection": "places", "document": { "_id": "a" } },
    ] });
    let refused = secret.post("/v1/database/batch", operations).await.expect_error(409, "document_exists");
    assert_eq!(refused["error"]["details"]["index"], 2);
    secret.get(&format!("{DOCUMENTS}/b")).await.expect_error(404, "document_not_found");
    assert_eq!(secret.get(&format!("{DOCUMENTS}/a")).await.expect(200)["n"], 1);
    server.stop().await;
}

#[tokio::test]
async fn a_public_key_does_what_the_rules_say_and_no_more() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let secret = server.client().with_key(&project.secret_key);
    let public = server.client().with_key(&project.public_key);
    secret.post(DOCUMENTS, json!({ "_id": "a", "open": true })).await.expect(201);
    secret.post(DOCUMENTS, json!({ "_id": "b", "open": false })).await.expect(201);
    public.get(&format!("{DOCUMENTS}/a")).await.expect_error(404, "document_not_found");
    public.post(DOCUMENTS, json!({ "_id": "c" })).await.expect_error(403, "forbidden");
    let rules = json!({ "rules": { "read": "resource.data.open == true", "create": "request.resource.data.open == true" } });
    secret.put("/v1/database/collections/places/rules", rules).await.expect(200);
    public.get(&format!("{DOCUMENTS}/a")).await.expect(200);
    public.get(&format!("{DOCUMENTS}/b")).await.expect_error(404, "document_not_found");
    let found = public.post(&format!("{DOCUMENTS}/query"), json!({ "query": {} })).await.expect(200);
    assert_eq!(found["documents"].as_array().unwrap().len(), 1);
    public.post(DOCUMENTS, json!({ "_id": "c", "open": true })).await.expect(201);
    public.post(DOCUMENTS, json!({ "_id": "d", "open": false })).await.expect_error(403, "forbidden");
    public.delete(&format!("{DOCUMENTS}/a")).await.expect_error(403, "forbidden");
    server.stop().await;
}

#[tokio::test]
async fn two_projects_with_the_same_names_never_meet() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let (one, two) = (ada.project("same").await, ada.project("same").await);
    let keys = [&one, &two].map(|project| server.client().with_key(&project.secret_key));
    for (key, text) in keys.iter().zip(["one", "two"]) {
        key.post(DOCUMENTS, json!({ "_id": "x", "text": text })).await.expect(201);
    }
    for (key, text) in keys.iter().zip(["one", "two"]) {
        let listed = key.get(DOCUMENTS).await.expect(200);
        assert_eq!(listed["documents"], json!([{ "_id": "x", "text": text }]));
    }
    keys[0].delete("/v1/database/collections/places").await.expect(204);
    assert_eq!(keys[1].get(&format!("{DOCUMENTS}/x")).await.expect(200)["text"], "two");
    server.stop().await;
}

#[tokio::test]
async fn paging_shows_every_document_once() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let secret = server.client().with_key(&project.secret_key);
    let operations: Vec<Value> = (0..250)
        .map(|n| json!({ "op": "insert", "collection": "n%/x", "document": { "_id": format!("d{n:03}"), "n": n % 7 } }))
        .collect();
    secret.post("/v1/database/batch", json!({ "operations": operations })).await.expect(200);
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let body = json!({ "query": {}, "sort": { "n": 1 }, "limit": 40, "cursor": cursor });
        let body =
            if cursor.is_null() { json!({ "query": {}, "sort": { "n": 1 }, "limit": 40 }) } else { body };
        let page = secret.post("/v1/database/collections/n%25%2Fx/documents/query", body).await.expect(200);
        seen.extend(page["documents"].as_array().unwrap().iter().map(|document| document["_id"].to_string()));
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 250);
    server.stop().await;
}

#[tokio::test]
async fn a_transaction_spans_requests() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let secret = server.client().with_key(&project.secret_key);
    secret.post(DOCUMENTS, json!({ "_id": "a", "n": 1 })).await.expect(201);
    let opened = secret.post("/v1/database/transactions", json!({})).await.expect(201);
    let id = opened["id"].as_str().unwrap();
    let path = format!("{DOCUMENTS}/a");
    let patch = secret.request(reqwest::Method::PATCH, &path).header("x-bunbase-transaction", id);
    let patched = patch.json(&json!({ "$inc": { "n": 4 } })).send().await.unwrap();
    assert_eq!(patched.status(), 200);
    assert_eq!(secret.get(&path).await.expect(200)["n"], 1);
    let foreign = format!("/v1/projects/{}/database/transactions/{id}/commit", project.id);
    ada.post(&foreign, json!({})).await.expect_error(404, "transaction_not_found");
    secret.post(&format!("/v1/database/transactions/{id}/commit"), json!({})).await.expect(200);
    assert_eq!(secret.get(&path).await.expect(200)["n"], 5);
    server.stop().await;
}

#[tokio::test]
async fn earlier_paths_mean_the_same() {
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let base = format!("/v1/projects/{}/databases/(default)", project.id);
    ada.post(&format!("{base}/documents/places"), json!({ "_id": "a", "n": 1 })).await.expect(201);
    assert_eq!(ada.get(&format!("{base}/documents/places/a")).await.expect(200)["n"], 1);
    let query = json!({ "collection": "places", "query": { "n": 1 } });
    let found = ada.post(&format!("{base}/documents/query"), query).await.expect(200);
    assert_eq!(found["documents"][0]["_id"], "a");
    let secret = server.client().with_key(&project.secret_key);
    assert_eq!(secret.get("/v1/database/documents/places/a").await.expect(200)["n"], 1);
    secret.delete("/v1/database/documents/places/a").await.expect(204);
    server.stop().await;
}

#[tokio::test]
async fn documents_are_served_over_grpc_on_the_same_port() {
    use rpc::bundoc_v1::documents_client::DocumentsClient;
    use rpc::bundoc_v1::{FindRequest, GetRequest};
    let data = Data::new();
    let server = Server::start(&data).await;
    let ada = server.client().set_up().await;
    let project = ada.project("one").await;
    let secret = server.client().with_key(&project.secret_key);
    for id in ["a", "b"] {
        secret.post(DOCUMENTS, json!({ "_id": id })).await.expect(201);
    }
    let channel =
        tonic::transport::Endpoint::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
    let mut documents = DocumentsClient::new(channel);
    let mut find = tonic::Request::new(FindRequest { collection: "places".to_owned(), ..Default::default() });
    find.metadata_mut().insert("x-bunbase-client-key", project.secret_key.parse().unwrap());
    let mut parts = documents.find(find).await.ok().unwrap().into_inner();
    let part = parts.message().await.ok().unwrap().unwrap();
    assert_eq!(part.documents.len(), 2);
    assert!(parts.message().await.ok().unwrap().is_none());
    let get = GetRequest { collection: "places".to_owned(), id: "a".to_owned() };
    let nobody = documents.get(get).await.err().unwrap();
    assert_eq!(rpc::code_of(&nobody).map(|code| code.as_str()), Some("unauthenticated"));
    server.stop().await;
}
