//! The cases of `bundoc-cases` over HTTP and over gRPC: what the engine does in process, it does from outside.

use crate::grpc::{Client, client, secret};
use crate::support::{Project, World};
use async_trait::async_trait;
use bson::{Document, RawDocument};
use bundoc_cases::{Failure, Find, Json, Operation, Target};
use bytes::Bytes;
use futures_util::StreamExt;
use http::Method;
use rpc::bundoc_v1 as wire;
use rpc::code_of;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tonic::Status;
use wire::operation::What;

/// Documents asked for where a case says nothing.
const LIMIT: usize = 1_000;

struct OverHttp<'a> {
    project: Project<'a>,
}

fn raw(text: Option<&RawValue>) -> &str {
    text.map_or("null", RawValue::get)
}

/// A JSON object of the fields that are there, each as it is written.
fn object(fields: &[(&str, Option<String>)]) -> String {
    let fields = fields.iter().filter_map(|(name, value)| Some(format!("\"{name}\":{}", value.as_ref()?)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn owned(text: Option<&RawValue>) -> Option<String> {
    text.map(|text| text.get().to_owned())
}

/// The filter; a case without one means every document.
fn query(text: Option<&RawValue>) -> Option<String> {
    Some(text.map_or("{}".to_owned(), |text| text.get().to_owned()))
}

impl OverHttp<'_> {
    async fn post(&self, path: &str, body: String) -> Result<String, Failure> {
        let (status, text) = self.project.secret(Method::POST, path).text(body).await;
        if status.is_success() {
            return Ok(text);
        }
        let error: Value = serde_json::from_str(&text).unwrap();
        let field = |name: &str| error["error"][name].as_str().unwrap().to_owned();
        Err(Failure { code: field("code"), message: field("message") })
    }

    async fn documents(&self, collection: &str, what: &str, body: String) -> Result<String, Failure> {
        self.post(&format!("/collections/{collection}/documents/{what}"), body).await
    }
}

/// One field of an answer, as it is written.
fn part(answer: &str, name: &str) -> String {
    let fields: std::collections::HashMap<&str, &RawValue> = serde_json::from_str(answer).unwrap();
    raw(fields.get(name).copied()).to_owned()
}

#[async_trait]
impl Target for OverHttp<'_> {
    async fn load(&mut self, collection: &str, documents: &[Box<RawValue>]) -> Result<(), Failure> {
        for document in documents {
            let path = format!("/collections/{collection}/documents");
            self.post(&path, document.get().to_owned()).await?;
        }
        Ok(())
    }

    async fn index(&mut self, collection: &str, spec: &RawValue) -> Result<(), Failure> {
        self.post(&format!("/collections/{collection}/indexes"), spec.get().to_owned()).await?;
        ready(&self.project, collection).await;
        Ok(())
    }

    async fn apply(&mut self, collection: &str, operation: &Operation) -> Result<String, Failure> {
        match operation {
            Operation::Find(asked) => {
                let body = object(&[
                    ("query", owned(asked.query.as_deref())),
                    ("sort", owned(asked.sort.as_deref())),
                    ("skip", asked.skip.map(|skip| skip.to_string())),
                    ("limit", Some(asked.limit.unwrap_or(LIMIT).to_string())),
                    ("fields", owned(asked.fields.as_deref())),
                ]);
                Ok(part(&self.documents(collection, "query", body).await?, "documents"))
            }
            Operation::Count(asked) => {
                let body = object(&[("query", owned(asked.query.as_deref()))]);
                Ok(part(&self.documents(collection, "count", body).await?, "count"))
            }
            Operation::Distinct(asked) => {
                let field = json!(asked.field).to_string();
                let body = object(&[("field", Some(field)), ("query", owned(asked.query.as_deref()))]);
                Ok(part(&self.documents(collection, "distinct", body).await?, "values"))
            }
            Operation::Update(asked) => {
                let body = object(&[
                    ("query", query(asked.query.as_deref())),
                    ("update", Some(asked.update.get().to_owned())),
                    ("many", Some(asked.many.to_string())),
                    ("upsert", Some(asked.upsert.to_string())),
                    ("array_filters", owned(asked.array_filters.as_deref())),
                ]);
                self.documents(collection, "update", body).await
            }
            Operation::Delete(asked) => {
                let body = object(&[
                    ("query", query(asked.query.as_deref())),
                    ("many", Some(asked.many.to_string())),
                ]);
                self.documents(collection, "delete", body).await
            }
            Operation::FindAndModify(asked) => {
                let body = object(&[
                    ("query", query(asked.query.as_deref())),
                    ("sort", owned(asked.sort.as_deref())),
                    ("update", owned(asked.update.as_deref())),
                    ("replacement", owned(asked.replacement.as_deref())),
                    ("remove", Some(asked.remove.to_string())),
                    ("upsert", Some(asked.upsert.to_string())),
                    ("fields", owned(asked.fields.as_deref())),
                    ("return", asked.r#return.as_ref().map(|state| json!(state).to_string())),
                    ("array_filters", owned(asked.array_filters.as_deref())),
                ]);
                Ok(part(&self.documents(collection, "find-and-modify", body).await?, "document"))
            }
        }
    }
}

/// Waits until every index of the collection is in use.
async fn ready(project: &Project<'_>, collection: &str) {
    #[derive(Deserialize)]
    struct Index {
        state: String,
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let path = format!("/collections/{collection}/indexes");
        let listed = project.secret(Method::GET, &path).send().await;
        let indexes: Vec<Index> = serde_json::from_value(listed.body["indexes"].clone()).unwrap();
        if indexes.iter().all(|index| index.state == "ready") {
            return;
        }
        assert!(Instant::now() < deadline, "an index is not ready: {listed:?}");
        tokio::task::yield_now().await;
    }
}

struct OverGrpc<'a> {
    project: Project<'a>,
    client: Client,
}

// By value: it stands in `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn failure(status: Status) -> Failure {
    let code = code_of(&status).map_or("none", |code| code.as_str()).to_owned();
    Failure { code, message: status.message().to_owned() }
}

/// JSON that is no BSON does not reach the server; what it would have said is the same.
fn bson(text: Option<&RawValue>, code: &str) -> Result<Bytes, Failure> {
    let Some(text) = text else { return Ok(Bytes::new()) };
    let told = |message: String| Failure { code: code.to_owned(), message };
    let document =
        bundoc::json::query_from_json(text.get().as_bytes()).map_err(|error| told(error.to_string()))?;
    document.to_vec().map(Bytes::from).map_err(|error| told(error.to_string()))
}

fn sort(text: Option<&RawValue>) -> Vec<wire::FieldOrder> {
    let Some(text) = text else { return Vec::new() };
    let Json::Object(fields) = Json::parse(text.get()).unwrap() else { panic!("a sort is an object") };
    let field = |(path, by): (String, Json)| wire::FieldOrder { path, descending: by.to_string() == "-1" };
    fields.into_iter().map(field).collect()
}

fn update(update: &RawValue, filters: Option<&RawValue>) -> Result<wire::Update, Failure> {
    let filters: Vec<Box<RawValue>> =
        filters.map(|text| serde_json::from_str(text.get()).unwrap()).unwrap_or_default();
    let filters = filters.iter().map(|filter| bson(Some(filter), "invalid_update"));
    Ok(wire::Update {
        bson: bson(Some(update), "invalid_update")?,
        array_filters: filters.collect::<Result<_, _>>()?,
    })
}

fn shown(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    bundoc::json::to_json(RawDocument::from_bytes(bytes).unwrap(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

impl OverGrpc<'_> {
    async fn write(&mut self, what: What) -> Result<wire::result::What, Failure> {
        let operations = vec![wire::Operation { what: Some(what) }];
        let request = secret(&self.project, wire::WriteRequest { operations });
        let mut reply = self.client.write(request).await.map_err(failure)?.into_inner();
        Ok(reply.results.remove(0).what.unwrap())
    }

    async fn find(&mut self, collection: &str, asked: &Find) -> Result<String, Failure> {
        let limit = asked.limit.unwrap_or(LIMIT);
        let request = wire::FindRequest {
            collection: collection.to_owned(),
            filter: bson(asked.query.as_deref(), "invalid_query")?,
            sort: sort(asked.sort.as_deref()),
            limit: Some(limit as u64),
            // A page of its own, so that its bound is the same.
            page_size: u32::try_from(limit).ok(),
            skip: asked.skip.unwrap_or_default() as u64,
            projection: bson(asked.fields.as_deref(), "invalid_query")?,
            ..Default::default()
        };
        let mut parts = self.client.find(secret(&self.project, request)).await.map_err(failure)?.into_inner();
        let mut documents = Vec::new();
        while let Some(part) = parts.next().await {
            documents.extend(part.map_err(failure)?.documents.iter().map(|found| shown(&found.bson)));
        }
        Ok(format!("[{}]", documents.join(",")))
    }
}

#[async_trait]
impl Target for OverGrpc<'_> {
    async fn load(&mut self, collection: &str, documents: &[Box<RawValue>]) -> Result<(), Failure> {
        for document in documents {
            let document = bson(Some(document), "invalid_document")?;
            self.write(What::Insert(wire::Insert { collection: collection.to_owned(), document })).await?;
        }
        Ok(())
    }

    async fn index(&mut self, collection: &str, spec: &RawValue) -> Result<(), Failure> {
        let asked: Document = bundoc::json::query_from_json(spec.get().as_bytes()).unwrap();
        let field = |field: &bson::Bson| {
            let field = field.as_document().unwrap();
            let descending = field.get_i32("order").ok() == Some(-1);
            wire::FieldOrder { path: field.get_str("path").unwrap().to_owned(), descending }
        };
        let index = wire::IndexSpec {
            fields: asked.get_array("fields").unwrap().iter().map(field).collect(),
            unique: asked.get_bool("unique").unwrap_or_default(),
            sparse: asked.get_bool("sparse").unwrap_or_default(),
            partial: asked.get_document("partial").ok().map(|filter| Bytes::from(filter.to_vec().unwrap())),
            ..Default::default()
        };
        let request = wire::CreateIndexRequest { collection: collection.to_owned(), index: Some(index) };
        self.client.create_index(secret(&self.project, request)).await.map_err(failure)?;
        ready(&self.project, collection).await;
        Ok(())
    }

    async fn apply(&mut self, collection: &str, operation: &Operation) -> Result<String, Failure> {
        use wire::result::What as Did;
        let name = collection.to_owned();
        match operation {
            Operation::Find(asked) => self.find(collection, asked).await,
            Operation::Count(asked) => {
                let filter = bson(asked.query.as_deref(), "invalid_query")?;
                let request = secret(&self.project, wire::CountRequest { collection: name, filter });
                Ok(self.client.count(request).await.map_err(failure)?.into_inner().count.to_string())
            }
            Operation::Distinct(asked) => {
                let filter = bson(asked.query.as_deref(), "invalid_query")?;
                let asked = wire::DistinctRequest { collection: name, field: asked.field.clone(), filter };
                let values = self.client.distinct(secret(&self.project, asked)).await.map_err(failure)?;
                Ok(part(&shown(&values.into_inner().bson), "values"))
            }
            Operation::Update(asked) => {
                let what = What::UpdateMatching(wire::UpdateMatching {
                    collection: name,
                    filter: bson(asked.query.as_deref(), "invalid_query")?,
                    update: Some(update(&asked.update, asked.array_filters.as_deref())?),
                    many: asked.many,
                    upsert: asked.upsert,
                });
                let Did::Updated(done) = self.write(what).await? else { panic!("no update") };
                let wire::Updated { matched, modified, upserted_id } = done;
                let id = json!(upserted_id);
                Ok(format!(r#"{{"matched":{matched},"modified":{modified},"upserted_id":{id}}}"#))
            }
            Operation::Delete(asked) => {
                let filter = bson(asked.query.as_deref(), "invalid_query")?;
                let what =
                    What::DeleteMatching(wire::DeleteMatching { collection: name, filter, many: asked.many });
                let Did::Deleted(deleted) = self.write(what).await? else { panic!("no removal") };
                Ok(format!(r#"{{"deleted":{deleted}}}"#))
            }
            Operation::FindAndModify(asked) => {
                use wire::find_and_modify::Change;
                let change = match (&asked.update, &asked.replacement) {
                    (Some(spec), _) => Change::Update(update(spec, asked.array_filters.as_deref())?),
                    (None, Some(document)) => Change::Replacement(bson(Some(document), "invalid_document")?),
                    (None, None) => Change::Remove(asked.remove),
                };
                let what = What::FindAndModify(wire::FindAndModify {
                    collection: name,
                    filter: bson(asked.query.as_deref(), "invalid_query")?,
                    sort: sort(asked.sort.as_deref()),
                    change: Some(change),
                    upsert: asked.upsert,
                    projection: bson(asked.fields.as_deref(), "invalid_query")?,
                    return_after: asked.r#return.as_deref() == Some("after"),
                });
                let Did::Found(found) = self.write(what).await? else { panic!("nothing was looked for") };
                Ok(found.document.map_or("null".to_owned(), |document| shown(&document.bson)))
            }
        }
    }
}

#[tokio::test]
async fn the_cases_hold_over_http() {
    let world = World::start();
    let mut target = OverHttp { project: world.project() };
    let report = bundoc_cases::run(&mut target, &bundoc_cases::load().unwrap()).await;
    assert!(report.failures().is_empty(), "{report}");
}

#[tokio::test]
async fn the_cases_hold_over_grpc() {
    let world = World::start();
    let mut target = OverGrpc { project: world.project(), client: client(&world) };
    let report = bundoc_cases::run(&mut target, &bundoc_cases::load().unwrap()).await;
    assert!(report.failures().is_empty(), "{report}");
}
