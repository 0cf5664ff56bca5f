//! `bundoc.v1.Documents`: the same operations over gRPC, through the real service.

use crate::support::{Project, World};
use bson::{Document, doc};
use bytes::Bytes;
use futures_util::StreamExt;
use http::Method;
use rpc::bundoc_v1 as wire;
use rpc::bundoc_v1::documents_client::DocumentsClient;
use rpc::code_of;
use serde_json::json;
use service_kit::error::ErrorCode;
use std::time::Duration;
use tonic::{Code, Request, Status};
use wire::operation::What;

/// Bytes of a message that the client of the tests takes.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

pub(crate) type Client = DocumentsClient<axum::Router>;

pub(crate) fn client(world: &World) -> Client {
    DocumentsClient::new(world.server.grpc(world.access.clone())).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A request with a key of the project: `sk` or `pk`.
fn with_key<T>(project: &Project<'_>, kind: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let key = format!("{kind}_{}", project.id);
    request.metadata_mut().insert("x-bunbase-client-key", key.parse().unwrap());
    request
}

pub(crate) fn secret<T>(project: &Project<'_>, message: T) -> Request<T> {
    with_key(project, "sk", message)
}

fn inside<T>(project: &Project<'_>, id: &str, message: T) -> Request<T> {
    let mut request = secret(project, message);
    request.metadata_mut().insert("x-bunbase-transaction", id.parse().unwrap());
    request
}

// By value: documents are written where they are sent.
#[allow(clippy::needless_pass_by_value)]
fn bson(document: Document) -> Bytes {
    Bytes::from(document.to_vec().unwrap())
}

fn read(bytes: &[u8]) -> Document {
    Document::from_reader(bytes).unwrap()
}

fn refusal(status: &Status) -> (Code, &'static str) {
    (status.code(), code_of(status).map_or("none", ErrorCode::as_str))
}

fn write(operations: Vec<What>) -> wire::WriteRequest {
    let operations = operations.into_iter().map(|what| wire::Operation { what: Some(what) }).collect();
    wire::WriteRequest { operations }
}

fn insert(collection: &str, document: Document) -> What {
    What::Insert(wire::Insert { collection: collection.to_owned(), document: bson(document) })
}

fn get(id: &str) -> wire::GetRequest {
    wire::GetRequest { collection: "a".to_owned(), id: id.to_owned() }
}

fn find(filter: Document) -> wire::FindRequest {
    wire::FindRequest { collection: "a".to_owned(), filter: bson(filter), ..Default::default() }
}

/// Text of a document, of which so many make a page: a page of them is sent before the next one is looked up,
/// while small ones may be sent together.
fn bulk(documents: usize) -> String {
    "x".repeat(40_000 / documents)
}

/// Every document of a query, and how many messages they came in.
async fn found(
    client: &mut Client,
    request: Request<wire::FindRequest>,
) -> Result<(Vec<Document>, usize), Status> {
    let mut stream = client.find(request).await?.into_inner();
    let (mut documents, mut messages) = (Vec::new(), 0);
    while let Some(part) = stream.next().await {
        documents.extend(part?.documents.iter().map(|document| read(&document.bson)));
        messages += 1;
    }
    Ok((documents, messages))
}

#[tokio::test]
async fn documents_are_written_and_read_as_bson() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    let wrote = client
        .write(secret(
            &project,
            write(vec![
                insert("a", doc! { "_id": "x", "n": 1_i64, "big": 5_000_000_000_i64 }),
                insert("a", doc! { "_id": "y", "n": 2 }),
            ]),
        ))
        .await
        .unwrap_or_else(|status| panic!("{}", status.message()))
        .into_inner();
    assert_eq!((wrote.results.len(), wrote.commit.is_some()), (2, true));
    let got = client.get(secret(&project, get("x"))).await.ok().unwrap().into_inner().document.unwrap();
    assert_eq!(read(&got.bson), doc! { "_id": "x", "n": 1_i64, "big": 5_000_000_000_i64 });
    assert_eq!(Some(got.version), wrote.commit);
    assert!(client.get(secret(&project, get("z"))).await.ok().unwrap().into_inner().document.is_none());
    let over_http = project.secret(Method::GET, "/collections/a/documents/y").send().await;
    assert_eq!(over_http.body, json!({ "_id": "y", "n": 2 }));
    let count = wire::CountRequest { collection: "a".to_owned(), filter: bson(doc! { "n": { "$gt": 1 } }) };
    assert_eq!(client.count(secret(&project, count)).await.ok().unwrap().into_inner().count, 1);
    let distinct =
        wire::DistinctRequest { collection: "a".to_owned(), field: "n".to_owned(), filter: Bytes::new() };
    let values = client.distinct(secret(&project, distinct)).await.ok().unwrap().into_inner();
    assert_eq!(read(&values.bson), doc! { "values": [1_i64, 2] });
}

#[tokio::test]
async fn every_operation_says_what_it_did() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    project.put("a", (0..4).map(|n| json!({ "_id": format!("{n}"), "n": n }))).await;
    let collection = || "a".to_owned();
    let update = |update: Document| Some(wire::Update { bson: bson(update), array_filters: vec![] });
    let operations = vec![
        What::Replace(wire::Replace {
            collection: collection(),
            id: "0".to_owned(),
            document: bson(doc! { "n": 10 }),
            condition: None,
        }),
        What::Update(wire::UpdateOne {
            collection: collection(),
            id: "1".to_owned(),
            update: update(doc! { "$inc": { "n": 10 } }),
            if_version: None,
        }),
        What::UpdateMatching(wire::UpdateMatching {
            collection: collection(),
            filter: bson(doc! { "n": { "$lt": 10 } }),
            update: update(doc! { "$mul": { "n": 2 } }),
            many: true,
            upsert: false,
        }),
        What::FindAndModify(wire::FindAndModify {
            collection: collection(),
            filter: bson(doc! {}),
            sort: vec![wire::FieldOrder { path: "n".to_owned(), descending: true }],
            change: Some(wire::find_and_modify::Change::Remove(true)),
            upsert: false,
            projection: bson(doc! { "n": 1 }),
            return_after: false,
        }),
        What::Delete(wire::DeleteOne { collection: collection(), id: "2".to_owned(), if_version: None }),
        What::DeleteMatching(wire::DeleteMatching {
            collection: collection(),
            filter: bson(doc! { "n": 10 }),
            many: true,
        }),
    ];
    let wrote = client.write(secret(&project, write(operations))).await;
    let wrote = wrote.unwrap_or_else(|status| panic!("{}", status.message())).into_inner();
    use wire::result::What as Did;
    let mut results = wrote.results.into_iter().map(|result| result.what.unwrap());
    assert!(
        matches!(results.next(), Some(Did::Changed(stored)) if read(&stored.bson).get_i32("n").ok() == Some(10))
    );
    assert!(
        matches!(results.next(), Some(Did::Changed(stored)) if read(&stored.bson).get_i32("n").ok() == Some(11))
    );
    assert!(matches!(results.next(), Some(Did::Updated(done)) if (done.matched, done.modified) == (2, 2)));
    let Some(Did::Found(wire::Found { document: Some(removed) })) = results.next() else {
        panic!("no document")
    };
    assert_eq!(read(&removed.bson), doc! { "_id": "1", "n": 11 });
    assert!(matches!(results.next(), Some(Did::Removed(id)) if id == "2"));
    assert!(matches!(results.next(), Some(Did::Deleted(1))));
    assert!(results.next().is_none());
    let left = project.secret(Method::GET, "/collections/a/documents").send().await;
    assert_eq!(left.body["documents"], json!([{ "_id": "3", "n": 6 }]));
}

#[tokio::test]
async fn a_query_streams_every_page_within_its_limit() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    project.put("a", (0..250).map(|n| json!({ "_id": format!("{n:03}"), "n": n }))).await;
    let sort = vec![wire::FieldOrder { path: "n".to_owned(), descending: true }];
    let all = wire::FindRequest { sort: sort.clone(), ..find(doc! {}) };
    let (documents, messages) = found(&mut client, secret(&project, all)).await.ok().unwrap();
    assert_eq!((documents.len(), messages), (250, 3));
    assert_eq!(documents[0].get_str("_id").ok(), Some("249"));
    let some = wire::FindRequest { sort, limit: Some(120), skip: 5, page_size: Some(50), ..find(doc! {}) };
    let (documents, messages) = found(&mut client, secret(&project, some)).await.ok().unwrap();
    assert_eq!((documents.len(), messages), (120, 3));
    assert_eq!(documents[0].get_str("_id").ok(), Some("244"));
    assert_eq!(documents[119].get_str("_id").ok(), Some("125"));
}

#[tokio::test]
async fn a_stream_goes_on_from_a_cursor_and_looks_up_no_more_than_is_taken() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    project.put("a", (0..30).map(|n| json!({ "_id": format!("{n:02}"), "text": bulk(10) }))).await;
    let request = || wire::FindRequest { page_size: Some(10), ..find(doc! {}) };
    let mut stream = client.find(secret(&project, request())).await.ok().unwrap().into_inner();
    let first = stream.next().await.unwrap().ok().unwrap();
    assert_eq!(first.documents.len(), 10);
    // What is written behind the first page shows in the next one, which was not looked up yet.
    project.put("a", [json!({ "_id": "99" })]).await;
    let mut rest = Vec::new();
    while let Some(part) = stream.next().await {
        rest.extend(part.ok().unwrap().documents);
    }
    assert_eq!(rest.len(), 21);
    let again = wire::FindRequest { cursor: first.cursor.unwrap(), ..request() };
    let (documents, _) = found(&mut client, secret(&project, again)).await.ok().unwrap();
    assert_eq!((documents.len(), documents[0].get_str("_id").ok()), (21, Some("10")));
}

#[tokio::test]
async fn large_documents_come_in_messages_of_their_own() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    let text = "x".repeat(700_000);
    project.put("a", (0..4).map(|n| json!({ "_id": format!("{n}"), "text": text }))).await;
    let (documents, messages) = found(&mut client, secret(&project, find(doc! {}))).await.ok().unwrap();
    assert_eq!((documents.len(), messages), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_ends_its_stream() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    project.put("a", (0..5).map(|n| json!({ "_id": format!("{n:02}"), "text": bulk(1) }))).await;
    let request = wire::FindRequest { page_size: Some(1), ..find(doc! {}) };
    let mut stream = client.find(secret(&project, request)).await.ok().unwrap().into_inner();
    assert!(stream.next().await.unwrap().is_ok());
    world.access.revoke(&format!("sk_{}", project.id));
    // The next look comes 2 seconds after the one before.
    tokio::time::advance(Duration::from_secs(2)).await;
    let end = stream.next().await.unwrap().err().unwrap();
    assert_eq!(refusal(&end), (Code::Unauthenticated, "unauthenticated"));
}

#[tokio::test]
async fn rules_and_rights_are_those_of_the_routes() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    project.open("a", json!({ "read": "resource.data.open" })).await;
    project.put("a", [json!({ "_id": "o", "open": true }), json!({ "_id": "c", "open": false })]).await;
    let (documents, _) = found(&mut client, with_key(&project, "pk", find(doc! {}))).await.ok().unwrap();
    assert_eq!(documents, [doc! { "_id": "o", "open": true }]);
    let refused = client.write(with_key(&project, "pk", write(vec![insert("a", doc! {})]))).await;
    assert_eq!(refusal(&refused.err().unwrap()), (Code::PermissionDenied, "forbidden"));
    let refused = client.explain(with_key(&project, "pk", find(doc! {}))).await;
    assert_eq!(refusal(&refused.err().unwrap()), (Code::PermissionDenied, "forbidden"));
    let nobody = client.get(Request::new(get("o"))).await;
    assert_eq!(refusal(&nobody.err().unwrap()), (Code::Unauthenticated, "unauthenticated"));
    let mut viewer = Request::new(get("c"));
    viewer.metadata_mut().insert("authorization", "Bearer viewer".parse().unwrap());
    viewer.metadata_mut().insert("x-bunbase-project", project.id.as_str().parse().unwrap());
    assert!(client.get(viewer).await.ok().unwrap().into_inner().document.is_some());
    let mut viewer = Request::new(write(vec![insert("a", doc! {})]));
    viewer.metadata_mut().insert("authorization", "Bearer viewer".parse().unwrap());
    viewer.metadata_mut().insert("x-bunbase-project", project.id.as_str().parse().unwrap());
    let refused = client.write(viewer).await.err().unwrap();
    assert_eq!(refusal(&refused), (Code::PermissionDenied, "forbidden"));
    let mut cookie = Request::new(get("c"));
    cookie.metadata_mut().insert("cookie", "session_token=owner".parse().unwrap());
    cookie.metadata_mut().insert("x-bunbase-project", project.id.as_str().parse().unwrap());
    let refused = client.get(cookie).await.err().unwrap();
    assert_eq!(refusal(&refused), (Code::Unauthenticated, "unauthenticated"));
}

#[tokio::test]
async fn errors_carry_the_stable_code_and_the_place() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    project.put("a", [json!({ "_id": "x" })]).await;
    let twice = write(vec![insert("a", doc! { "_id": "new" }), insert("a", doc! { "_id": "x" })]);
    let refused = client.write(secret(&project, twice)).await.err().unwrap();
    assert_eq!(refusal(&refused), (Code::AlreadyExists, "document_exists"));
    let details = refused.metadata().get_bin("bunbase-details-bin").unwrap().to_bytes().unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&details).unwrap()["index"], 1);
    for request in [
        wire::FindRequest { limit: Some(0), ..find(doc! {}) },
        wire::FindRequest { page_size: Some(0), ..find(doc! {}) },
        wire::FindRequest { page_size: Some(1_000_000), ..find(doc! {}) },
    ] {
        let refused = found(&mut client, secret(&project, request)).await.err().unwrap();
        assert_eq!(refusal(&refused), (Code::InvalidArgument, "invalid_query"));
    }
    for (filter, code) in [
        (doc! { "n": { "$near": 1 } }.to_vec().unwrap(), "invalid_query"),
        (b"\x07\x00\x00\x00".to_vec(), "invalid_query"),
    ] {
        let request = wire::FindRequest { filter: Bytes::from(filter), ..find(doc! {}) };
        let refused = found(&mut client, secret(&project, request)).await.err().unwrap();
        assert_eq!(refusal(&refused), (Code::InvalidArgument, code));
    }
    let nothing = client.write(secret(&project, write(vec![]))).await.err().unwrap();
    assert_eq!(refusal(&nothing), (Code::InvalidArgument, "invalid_request"));
    let system = wire::GetRequest { collection: "_system/relay".to_owned(), id: "bus".to_owned() };
    let refused = client.get(secret(&project, system)).await.err().unwrap();
    assert_eq!(refusal(&refused), (Code::NotFound, "collection_not_found"));
    let group = wire::FindGroupRequest { pattern: "_system/*".to_owned(), ..Default::default() };
    let refused = client.find_group(secret(&project, group)).await.err().unwrap();
    assert_eq!(refusal(&refused), (Code::InvalidArgument, "invalid_name"));
}

#[tokio::test]
async fn a_transaction_spans_calls() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    project.put("a", [json!({ "_id": "x", "n": 1 })]).await;
    let begun = client.begin_transaction(secret(&project, wire::BeginTransactionRequest {})).await;
    let id = begun.unwrap_or_else(|status| panic!("{}", status.message())).into_inner().id;
    let wrote = client.write(inside(&project, &id, write(vec![insert("a", doc! { "_id": "y" })]))).await;
    assert_eq!(wrote.ok().unwrap().into_inner().commit, None);
    let (documents, _) = found(&mut client, inside(&project, &id, find(doc! {}))).await.ok().unwrap();
    assert_eq!(documents.len(), 2);
    let (documents, _) = found(&mut client, secret(&project, find(doc! {}))).await.ok().unwrap();
    assert_eq!(documents.len(), 1);
    // The same transaction over HTTP.
    let over_http = project.secret(Method::GET, "/collections/a/documents/y");
    assert_eq!(over_http.header("x-bunbase-transaction", &id).send().await.status, 200);
    let request = || wire::TransactionRequest { id: id.clone() };
    let foreign = client.commit_transaction(with_key(&project, "pk", request())).await.err().unwrap();
    assert_eq!(refusal(&foreign), (Code::NotFound, "transaction_not_found"));
    let other = "txn_00000000000000000000000000000000";
    let other = client.commit_transaction(inside(&project, other, request())).await.err().unwrap();
    assert_eq!(refusal(&other), (Code::InvalidArgument, "invalid_request"));
    let committed =
        client.commit_transaction(inside(&project, &id, request())).await.ok().unwrap().into_inner();
    assert!(committed.commit > 0);
    let gone = client.abort_transaction(secret(&project, request())).await.err().unwrap();
    assert_eq!(refusal(&gone), (Code::NotFound, "transaction_not_found"));
    let (documents, _) = found(&mut client, secret(&project, find(doc! {}))).await.ok().unwrap();
    assert_eq!(documents.len(), 2);
}

#[tokio::test]
async fn definitions_are_changed_and_written_down() {
    let world = World::start();
    let (project, mut client) = (world.project(), client(&world));
    let rules = wire::Rules { read: Some("true".to_owned()), ..Default::default() };
    let make = wire::CreateCollectionRequest { name: "a".to_owned(), rules: Some(rules) };
    let made = client.create_collection(secret(&project, make)).await.ok().unwrap().into_inner();
    assert_eq!((made.name.as_str(), made.rules.unwrap().read.as_deref()), ("a", Some("true")));
    let fields = vec![wire::FieldOrder { path: "n".to_owned(), descending: true }];
    let index = wire::IndexSpec { fields, unique: true, ..Default::default() };
    let declare = wire::CreateIndexRequest { collection: "a".to_owned(), index: Some(index) };
    let declared = client.create_index(secret(&project, declare)).await.ok().unwrap().into_inner();
    assert_eq!((declared.name.as_str(), declared.unique), ("n_-1", true));
    let look = wire::CollectionRequest { collection: "a".to_owned() };
    let seen = client.get_collection(secret(&project, look.clone())).await.ok().unwrap().into_inner();
    assert_eq!(seen.indexes.len(), 1);
    let page = wire::ListCollectionsRequest::default();
    let listed = client.list_collections(secret(&project, page)).await.ok().unwrap().into_inner();
    assert_eq!((listed.collections.len(), listed.more), (1, false));
    let refused = client.drop_collection(with_key(&project, "pk", look.clone())).await.err().unwrap();
    assert_eq!(refusal(&refused), (Code::PermissionDenied, "forbidden"));
    assert!(client.drop_collection(secret(&project, look.clone())).await.is_ok());
    let again = client.drop_collection(secret(&project, look)).await.err().unwrap();
    assert_eq!(refusal(&again), (Code::NotFound, "collection_not_found"));
    let recorded = ["CreateCollection", "CreateIndex", "DropCollection"];
    assert_eq!(world.access.recorded(), recorded.map(|method| format!("bundoc.v1.Documents/{method}")));
}
