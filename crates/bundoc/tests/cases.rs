//! The cases of `bundoc-cases`, on the engine in process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; this covers its helpers too")]

use async_trait::async_trait;
use bson::{Bson, Document, RawDocumentBuf};
use bundoc::engine::{
    Actor, CollectionName, DatabaseName, Engine, FieldOrder, FindAndModify, FindRequest, IndexSpec,
    IndexState, Modification, Order, Returning, StoredDocument, UpdateSpec, WriteOp, Written,
};
use bundoc::{EngineError, EngineOptions, FjallEngine, json};
use bundoc_cases::{Failure, Find, Json, Operation, Target};
use serde_json::value::RawValue;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct InProcess {
    engine: Arc<dyn Engine>,
    database: DatabaseName,
    _directory: tempfile::TempDir,
}

impl InProcess {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (engine, _) = FjallEngine::open(directory.path(), EngineOptions::default()).unwrap();
        Self { engine, database: DatabaseName::parse("db").unwrap(), _directory: directory }
    }
}

/// The stable code of an error, as the server has it.
fn code(error: &EngineError) -> &'static str {
    match error {
        EngineError::BatchOperation { source, .. } => code(source),
        EngineError::InvalidName(_) => "invalid_name",
        EngineError::InvalidDocument(_) => "invalid_document",
        EngineError::InvalidQuery(_) => "invalid_query",
        EngineError::InvalidUpdate(_) => "invalid_update",
        EngineError::InvalidIndex(_) => "invalid_index",
        EngineError::UniqueViolation { .. } => "unique_violation",
        EngineError::DocumentExists { .. } => "document_exists",
        EngineError::DocumentNotFound { .. } => "document_not_found",
        EngineError::LimitExceeded { .. } => "limit_exceeded",
        EngineError::QueryTooExpensive { .. } => "query_too_expensive",
        _ => "internal",
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
fn failure(error: EngineError) -> Failure {
    Failure { code: code(&error).to_owned(), message: error.to_string() }
}

fn name(collection: &str) -> CollectionName {
    CollectionName::parse(collection).unwrap()
}

fn filter(text: Option<&RawValue>) -> Result<Document, EngineError> {
    text.map_or(Ok(Document::new()), |text| json::query_from_json(text.get().as_bytes()))
}

fn document(text: &RawValue) -> Result<RawDocumentBuf, EngineError> {
    json::from_json(text.get().as_bytes())
}

/// A list of filters; JSON is read as objects only, so it is put into one.
fn filters(text: Option<&RawValue>) -> Result<Vec<Document>, EngineError> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let carrier = json::query_from_json(format!("{{\"v\": {text}}}").as_bytes())?;
    let malformed = || EngineError::InvalidUpdate("`array_filters` is a list of filters".into());
    let list = carrier.get_array("v").map_err(|_| malformed())?;
    list.iter().map(|filter| filter.as_document().cloned().ok_or_else(malformed)).collect()
}

fn sort(text: Option<&RawValue>) -> Vec<FieldOrder> {
    let Some(text) = text else { return Vec::new() };
    let Json::Object(fields) = Json::parse(text.get()).unwrap() else { panic!("a sort is an object") };
    let order = |order: &Json| if order.to_string() == "1" { Order::Ascending } else { Order::Descending };
    fields.into_iter().map(|(path, by)| FieldOrder { path, order: order(&by) }).collect()
}

fn shown(document: &RawDocumentBuf) -> String {
    let mut out = Vec::new();
    json::to_json(document, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn list(documents: &[StoredDocument]) -> String {
    let documents: Vec<_> = documents.iter().map(|stored| shown(&stored.document)).collect();
    format!("[{}]", documents.join(","))
}

/// A value as JSON, taken out of a document around it.
fn value(value: Bson) -> String {
    let carrier = shown(&RawDocumentBuf::try_from(&bson::doc! {"v": value}).unwrap());
    carrier[r#"{"v":"#.len()..carrier.len() - 1].to_owned()
}

fn modification(asked: &bundoc_cases::FindAndModify) -> Result<Modification, EngineError> {
    match (&asked.update, &asked.replacement, asked.remove) {
        (Some(update), None, false) => Ok(Modification::Update(UpdateSpec {
            update: filter(Some(update))?,
            array_filters: filters(asked.array_filters.as_deref())?,
        })),
        (None, Some(replacement), false) => Ok(Modification::Replace(document(replacement)?)),
        (None, None, true) => Ok(Modification::Remove),
        _ => panic!("one of `update`, `replacement`, `remove`"),
    }
}

fn write(collection: &str, operation: &Operation) -> Result<Option<WriteOp>, EngineError> {
    let collection = name(collection);
    Ok(Some(match operation {
        Operation::Update(asked) => WriteOp::UpdateMatching {
            collection,
            filter: filter(asked.query.as_deref())?,
            change: Modification::Update(UpdateSpec {
                update: filter(Some(&asked.update))?,
                array_filters: filters(asked.array_filters.as_deref())?,
            }),
            many: asked.many,
            upsert: asked.upsert,
        },
        Operation::Delete(asked) => {
            WriteOp::DeleteMatching { collection, filter: filter(asked.query.as_deref())?, many: asked.many }
        }
        Operation::FindAndModify(asked) => WriteOp::FindAndModify(FindAndModify {
            collection,
            filter: filter(asked.query.as_deref())?,
            sort: sort(asked.sort.as_deref()),
            change: modification(asked)?,
            upsert: asked.upsert,
            fields: filter(asked.fields.as_deref())?,
            returning: match asked.r#return.as_deref() {
                Some("after") => Returning::After,
                _ => Returning::Before,
            },
        }),
        Operation::Find(_) | Operation::Count(_) | Operation::Distinct(_) => return Ok(None),
    }))
}

fn written(written: &Written) -> String {
    match written {
        Written::Updated { matched, modified, upserted_id } => {
            let id = upserted_id.as_ref().map_or("null".to_owned(), |id| format!("\"{id}\""));
            format!(r#"{{"matched":{matched},"modified":{modified},"upserted_id":{id}}}"#)
        }
        Written::Deleted(count) => format!(r#"{{"deleted":{count}}}"#),
        Written::Found(found) => found.as_ref().map_or("null".to_owned(), |stored| shown(&stored.document)),
        other => panic!("not the answer of such a write: {other:?}"),
    }
}

impl InProcess {
    fn find(&self, collection: &str, asked: &Find) -> Result<String, EngineError> {
        let request = FindRequest {
            filter: filter(asked.query.as_deref())?,
            sort: sort(asked.sort.as_deref()),
            limit: asked.limit.unwrap_or(1_000),
            skip: asked.skip.unwrap_or_default(),
            cursor: None,
            fields: filter(asked.fields.as_deref())?,
        };
        let page = self.engine.find(&self.database, &name(collection), &request, &Actor::Trusted)?;
        Ok(list(&page.documents))
    }

    async fn answer(&self, collection: &str, operation: &Operation) -> Result<String, EngineError> {
        let actor = &Actor::Trusted;
        match operation {
            Operation::Find(asked) => self.find(collection, asked),
            Operation::Count(asked) => {
                let filter = filter(asked.query.as_deref())?;
                Ok(self.engine.count(&self.database, &name(collection), &filter, actor)?.to_string())
            }
            Operation::Distinct(asked) => {
                let filter = filter(asked.query.as_deref())?;
                let collection = name(collection);
                let values =
                    self.engine.distinct(&self.database, &collection, &asked.field, &filter, actor)?;
                Ok(value(Bson::Array(values)))
            }
            _ => {
                let operations = write(collection, operation)?.into_iter().collect();
                let commit = self.engine.write(&self.database, operations, actor).await?;
                Ok(written(&commit.written[0]))
            }
        }
    }
}

/// The shape of an index as the cases have it.
fn index_spec(spec: &RawValue) -> Result<IndexSpec, EngineError> {
    let spec = json::query_from_json(spec.get().as_bytes())?;
    let fields = spec.get_array("fields").unwrap().iter().map(|field| {
        let field = field.as_document().unwrap();
        let ascending = field.get_i32("order").unwrap() == 1;
        FieldOrder {
            path: field.get_str("path").unwrap().to_owned(),
            order: if ascending { Order::Ascending } else { Order::Descending },
        }
    });
    Ok(IndexSpec {
        fields: fields.collect(),
        unique: spec.get_bool("unique").unwrap_or_default(),
        sparse: spec.get_bool("sparse").unwrap_or_default(),
        partial: spec.get_document("partial").ok().cloned(),
        ..IndexSpec::default()
    })
}

#[async_trait]
impl Target for InProcess {
    async fn load(&mut self, collection: &str, documents: &[Box<RawValue>]) -> Result<(), Failure> {
        let insert = |document| WriteOp::Insert { collection: name(collection), document };
        let documents = documents.iter().map(|text| document(text).map(insert));
        let operations: Vec<_> = documents.collect::<Result<_, _>>().map_err(failure)?;
        if operations.is_empty() {
            return Ok(());
        }
        self.engine.write(&self.database, operations, &Actor::Trusted).await.map_err(failure).map(drop)
    }

    async fn index(&mut self, collection: &str, spec: &RawValue) -> Result<(), Failure> {
        let collection = name(collection);
        let spec = index_spec(spec).map_err(failure)?;
        let index = self.engine.create_index(&self.database, &collection, spec).await.map_err(failure)?;
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let info = self.engine.collection(&self.database, &collection).unwrap().unwrap();
            let index = info.indexes.into_iter().find(|known| known.name == index.name).unwrap();
            if index.state == IndexState::Ready {
                return Ok(());
            }
            assert!(Instant::now() < deadline, "the index is not ready: {index:?}");
            tokio::task::yield_now().await;
        }
    }

    async fn apply(&mut self, collection: &str, operation: &Operation) -> Result<String, Failure> {
        self.answer(collection, operation).await.map_err(failure)
    }
}

#[tokio::test]
async fn the_engine_does_what_the_cases_say() {
    let mut target = InProcess::new();
    let report = bundoc_cases::run(&mut target, &bundoc_cases::load().unwrap()).await;
    assert!(report.failures().is_empty(), "{report}");

    let operators = bundoc_cases::operators().unwrap();
    let mut target = InProcess::new();
    let refused = bundoc_cases::run(&mut target, &bundoc_cases::refusals(&operators, &report)).await;
    assert!(refused.failures().is_empty(), "what no case shows has to be refused: {refused}");

    let path =
        Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../../docs/bundoc/operators.md");
    let page = bundoc_cases::page(&operators, &report);
    if std::env::var_os("BUNDOC_WRITE_OPERATORS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let present = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        present == page,
        "docs/bundoc/operators.md is stale: run this test with BUNDOC_WRITE_OPERATORS=1"
    );
}
