//! One operation of a batch: its JSON, and the write that it asks for.

use crate::http::change::{Change, sort_fields, update_spec};
use crate::http::fields::Fields;
use crate::http::modify::bodies::ReturningBody;
use crate::http::query::Sort;
use crate::{error, json};
use bson::RawDocumentBuf;
use bson::raw::cstr;
use bundoc::engine::{CollectionName, DocumentId, FindAndModify, Precondition, WriteOp};
use serde::Deserialize;
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use utoipa::ToSchema;

/// What one operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BatchOp)]
enum Op {
    /// Creates `document`; its id is `id`, or `_id` in it, or a new one.
    Insert,
    /// Changes fields of an existing document by `update`.
    Update,
    /// Puts `document` in the place of `id`, creating it where it is missing.
    Replace,
    /// Removes `id`.
    Delete,
    /// Changes what `query` matches by `update`: the first, or with `many` all.
    UpdateMatching,
    /// Removes what `query` matches: the first, or with `many` all.
    DeleteMatching,
    /// Changes (`update`), replaces (`replacement`) or removes (`remove`) the first document that `query`
    /// matches, and gives it back.
    FindAndModify,
    /// Publishes `payload` to `topic` once the batch is durable.
    Emit,
    /// Puts a job with `payload` into `queue` once the batch is durable.
    Enqueue,
}

/// One write of a batch.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BatchOperation)]
pub(super) struct OperationBody {
    /// What to do.
    op: Op,
    /// Where.
    collection: Option<String>,
    /// Which document.
    id: Option<String>,
    /// The document of `insert` and `replace`.
    #[schema(value_type = Option<Object>)]
    document: Option<Box<RawValue>>,
    /// Update operators, or fields to set.
    #[schema(value_type = Option<Object>)]
    update: Option<Box<RawValue>>,
    /// What `$[name]` in the update stands for: a filter for each name.
    #[schema(value_type = Option<Vec<Object>>)]
    array_filters: Option<Box<RawValue>>,
    /// Only if the document has this version.
    if_version: Option<u64>,
    /// Only if there is no such document.
    #[serde(default)]
    if_absent: bool,
    /// Which documents, of the operations on what matches.
    #[schema(value_type = Option<Object>)]
    query: Option<Box<RawValue>>,
    /// All that match, or the first.
    #[serde(default)]
    many: bool,
    /// Whether a document is created where none matches.
    #[serde(default)]
    upsert: bool,
    /// What takes the place of the document that was found.
    #[schema(value_type = Option<Object>)]
    replacement: Option<Box<RawValue>>,
    /// Whether the document that was found is removed.
    #[serde(default)]
    remove: bool,
    /// The first in this order is taken.
    #[schema(value_type = Option<Object>)]
    sort: Option<Sort>,
    /// What is given back of the document.
    #[schema(value_type = Option<Object>)]
    fields: Option<Fields>,
    /// `before` or `after`; by default `before`.
    #[serde(rename = "return")]
    #[schema(value_type = Option<String>)]
    returning: Option<ReturningBody>,
    /// Where `emit` publishes.
    topic: Option<String>,
    /// Where `enqueue` puts the job.
    queue: Option<String>,
    /// What is published, or what the job gets: any JSON.
    #[schema(value_type = Option<Object>)]
    payload: Option<Box<RawValue>>,
    /// Of the job.
    #[schema(value_type = Option<Object>)]
    options: Option<Box<RawValue>>,
}

impl OperationBody {
    /// The write that is asked for.
    pub(super) fn into_write(self) -> Result<WriteOp, ApiError> {
        self.check_fields()?;
        match self.op {
            Op::Insert | Op::Update | Op::Replace | Op::Delete => self.into_write_of_one(),
            Op::UpdateMatching | Op::DeleteMatching | Op::FindAndModify => self.into_write_of_matching(),
            Op::Emit => Ok(WriteOp::Emit {
                topic: given(self.topic, "topic")?,
                payload: json::read_value(&given(self.payload, "payload")?)?,
            }),
            Op::Enqueue => Ok(WriteOp::Enqueue {
                queue: given(self.queue, "queue")?,
                payload: json::read_value(&given(self.payload, "payload")?)?,
                options: json::filter_or_all(self.options.as_deref())?,
            }),
        }
    }

    fn into_write_of_one(self) -> Result<WriteOp, ApiError> {
        let precondition = self.precondition()?;
        let collection = collection(self.collection)?;
        let id = self.id.as_deref().map(DocumentId::parse).transpose().map_err(error::engine)?;
        if self.op == Op::Insert {
            return Ok(WriteOp::Insert {
                collection,
                document: with_id(document(self.document)?, id.as_ref())?,
            });
        }
        let id = given(id, "id")?;
        match self.op {
            Op::Replace => {
                let document = document(self.document)?;
                Ok(WriteOp::Replace { collection, id, document, precondition })
            }
            Op::Update => {
                let update = update_spec(&given(self.update, "update")?, self.array_filters.as_deref())?;
                Ok(WriteOp::Update { collection, id, update, precondition })
            }
            _ => Ok(WriteOp::Delete { collection, id, precondition }),
        }
    }

    fn into_write_of_matching(self) -> Result<WriteOp, ApiError> {
        let collection = collection(self.collection)?;
        let filter = json::read_filter(given(self.query, "query")?.get().as_bytes())?;
        if self.op == Op::DeleteMatching {
            return Ok(WriteOp::DeleteMatching { collection, filter, many: self.many });
        }
        let change = Change {
            update: self.update.as_deref(),
            replacement: self.replacement.as_deref(),
            remove: self.remove,
            array_filters: self.array_filters.as_deref(),
        };
        let (change, upsert) = (change.read()?, self.upsert);
        if self.op == Op::UpdateMatching {
            return Ok(WriteOp::UpdateMatching { collection, filter, change, many: self.many, upsert });
        }
        Ok(WriteOp::FindAndModify(FindAndModify {
            collection,
            filter,
            sort: sort_fields(self.sort),
            change,
            upsert,
            fields: Fields::projection(self.fields)?,
            returning: self.returning.unwrap_or_default().into(),
        }))
    }

    /// A field that this kind of operation does not know is a mistake, not to be passed over.
    fn check_fields(&self) -> Result<(), ApiError> {
        use Op::*;
        let on_one: &[Op] = &[Insert, Update, Replace, Delete];
        let on_matching: &[Op] = &[UpdateMatching, DeleteMatching, FindAndModify];
        let fields: [(&str, bool, &[Op]); 18] = [
            ("id", self.id.is_some(), on_one),
            ("document", self.document.is_some(), &[Insert, Replace]),
            ("update", self.update.is_some(), &[Update, UpdateMatching, FindAndModify]),
            ("array_filters", self.array_filters.is_some(), &[Update, UpdateMatching, FindAndModify]),
            ("if_version", self.if_version.is_some(), &[Update, Replace, Delete]),
            ("if_absent", self.if_absent, &[Insert, Replace]),
            ("query", self.query.is_some(), on_matching),
            ("many", self.many, &[UpdateMatching, DeleteMatching]),
            ("upsert", self.upsert, &[UpdateMatching, FindAndModify]),
            ("replacement", self.replacement.is_some(), &[FindAndModify]),
            ("remove", self.remove, &[FindAndModify]),
            ("sort", self.sort.is_some(), &[FindAndModify]),
            ("fields", self.fields.is_some(), &[FindAndModify]),
            ("return", self.returning.is_some(), &[FindAndModify]),
            ("topic", self.topic.is_some(), &[Emit]),
            ("queue", self.queue.is_some(), &[Enqueue]),
            ("payload", self.payload.is_some(), &[Emit, Enqueue]),
            ("options", self.options.is_some(), &[Enqueue]),
        ];
        match fields.into_iter().find(|(_, is_there, ops)| *is_there && !ops.contains(&self.op)) {
            Some((name, ..)) => Err(invalid(format!("this operation has no `{name}`"))),
            None if self.collection.is_some() && matches!(self.op, Emit | Enqueue) => {
                Err(invalid("this operation has no `collection`".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn precondition(&self) -> Result<Precondition, ApiError> {
        match (self.if_version, self.if_absent) {
            (None, false) => Ok(Precondition::Any),
            (Some(version), false) => Ok(Precondition::Version(version)),
            (None, true) => Ok(Precondition::Absent),
            (Some(_), true) => Err(invalid("send either `if_version` or `if_absent`".to_owned())),
        }
    }
}

fn invalid(message: String) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}

fn given<T>(value: Option<T>, name: &str) -> Result<T, ApiError> {
    value.ok_or_else(|| invalid(format!("this operation needs `{name}`")))
}

fn collection(name: Option<String>) -> Result<CollectionName, ApiError> {
    CollectionName::parse(&given(name, "collection")?).map_err(error::engine)
}

fn document(text: Option<Box<RawValue>>) -> Result<RawDocumentBuf, ApiError> {
    json::read_document(given(text, "document")?.get().as_bytes())
}

/// The document under the id that stands beside it.
fn with_id(mut document: RawDocumentBuf, id: Option<&DocumentId>) -> Result<RawDocumentBuf, ApiError> {
    let Some(id) = id else { return Ok(document) };
    match document.get_str("_id") {
        Ok(inner) if inner == id.as_str() => Ok(document),
        Ok(_) => Err(invalid("`id` and `_id` in the document differ".to_owned())),
        // A missing `_id` is added; one that is no string is refused by the engine beside it.
        Err(_) => {
            document.append(cstr!("_id"), id.as_str());
            Ok(document)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let body: OperationBody = serde_json::from_str(text).unwrap();
        body.into_write().unwrap_err().message
    }

    #[test]
    fn fields_of_other_operations_are_refused_by_name() {
        for (text, reason) in [
            (r#"{"op":"delete","collection":"a","id":"1","document":{}}"#, "no `document`"),
            (r#"{"op":"update","collection":"a","id":"1","update":{},"if_absent":true}"#, "no `if_absent`"),
            (r#"{"op":"insert","collection":"a","document":{},"if_version":1}"#, "no `if_version`"),
            (r#"{"op":"update","collection":"a","id":"1","update":{},"query":{}}"#, "no `query`"),
            (r#"{"op":"delete_matching","collection":"a","query":{},"id":"1"}"#, "no `id`"),
            (r#"{"op":"emit","collection":"a","topic":"t","payload":1}"#, "no `collection`"),
            (r#"{"op":"emit","topic":"t","payload":1,"options":{}}"#, "no `options`"),
            (r#"{"op":"update","collection":"a","update":{}}"#, "needs `id`"),
            (r#"{"op":"replace","collection":"a","id":"1"}"#, "needs `document`"),
            (r#"{"op":"update_matching","collection":"a","update":{}}"#, "needs `query`"),
            (r#"{"op":"delete","id":"1"}"#, "needs `collection`"),
            (r#"{"op":"enqueue","payload":{}}"#, "needs `queue`"),
            (r#"{"op":"insert","collection":"a","id":"1","document":{"_id":"2"}}"#, "differ"),
        ] {
            let refused = refusal(text);
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
