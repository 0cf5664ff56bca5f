//! One operation of a batch: its JSON, and the write that it asks for.

use crate::{error, json};
use bson::RawDocumentBuf;
use bson::raw::cstr;
use bundoc::engine::{CollectionName, DocumentId, Precondition, WriteOp};
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use std::fmt;
use utoipa::ToSchema;

/// Operations that are read at all. The engine's own limit is lower; this one bounds what a body of
/// nothing but commas may cost before the engine sees it.
const OPERATIONS_READ_MAX: usize = 10_000;

/// The texts of the operations, read one by one so that an error can say which.
pub(super) struct OperationTexts {
    texts: Vec<Box<RawValue>>,
    count: usize,
}

impl OperationTexts {
    /// The texts, unless there are none or too many.
    pub(super) fn within_limit(self) -> Result<Vec<Box<RawValue>>, ApiError> {
        match self.count {
            0 => Err(ApiError::new(ErrorCode::InvalidRequest, "a batch has one operation at least")),
            count if count > OPERATIONS_READ_MAX => {
                let message = format!("the batch has {count} operations: send them in smaller batches");
                Err(ApiError::new(ErrorCode::LimitExceeded, message))
            }
            _ => Ok(self.texts),
        }
    }
}

impl<'de> Deserialize<'de> for OperationTexts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = OperationTexts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of operations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OperationTexts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
            if texts.len() == OPERATIONS_READ_MAX {
                break;
            }
        }
        let mut count = texts.len();
        while count >= OPERATIONS_READ_MAX && list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(OperationTexts { texts, count })
    }
}

/// What one operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
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
}

/// One write of a batch.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BatchOperation)]
pub(super) struct OperationBody {
    /// What to do.
    op: Op,
    /// Where.
    collection: String,
    /// Which document.
    id: Option<String>,
    /// The document of `insert` and `replace`.
    #[schema(value_type = Option<Object>)]
    document: Option<Box<RawValue>>,
    /// The update of `update`.
    #[schema(value_type = Option<Object>)]
    update: Option<Box<RawValue>>,
    /// Only if the document has this version.
    if_version: Option<u64>,
    /// Only if there is no such document.
    #[serde(default)]
    if_absent: bool,
}

impl OperationBody {
    /// The write that is asked for.
    pub(super) fn into_write(self) -> Result<WriteOp, ApiError> {
        self.check_fields()?;
        let precondition = self.precondition()?;
        let collection = CollectionName::parse(&self.collection).map_err(error::engine)?;
        let id = self.id.as_deref().map(DocumentId::parse).transpose().map_err(error::engine)?;
        match self.op {
            Op::Insert => {
                let document = with_id(document(self.document)?, id.as_ref())?;
                Ok(WriteOp::Insert { collection, document })
            }
            Op::Replace => {
                let document = document(self.document)?;
                Ok(WriteOp::Replace { collection, id: given(id, "id")?, document, precondition })
            }
            Op::Update => {
                let update = json::read_update(given(self.update, "update")?.get().as_bytes())?;
                let update = update.into();
                Ok(WriteOp::Update { collection, id: given(id, "id")?, update, precondition })
            }
            Op::Delete => Ok(WriteOp::Delete { collection, id: given(id, "id")?, precondition }),
        }
    }

    /// A field that this kind of operation does not know is a mistake, not to be passed over.
    fn check_fields(&self) -> Result<(), ApiError> {
        use Op::*;
        let fields = [
            ("document", self.document.is_some(), [Insert, Replace].as_slice()),
            ("update", self.update.is_some(), &[Update]),
            ("if_version", self.if_version.is_some(), &[Update, Replace, Delete]),
            ("if_absent", self.if_absent, &[Insert, Replace]),
        ];
        match fields.into_iter().find(|(_, is_there, ops)| *is_there && !ops.contains(&self.op)) {
            Some((name, ..)) => Err(invalid(format!("this operation has no `{name}`"))),
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
            (r#"{"op":"update","collection":"a","update":{}}"#, "needs `id`"),
            (r#"{"op":"replace","collection":"a","id":"1"}"#, "needs `document`"),
            (r#"{"op":"insert","collection":"a","id":"1","document":{"_id":"2"}}"#, "differ"),
        ] {
            let refused = refusal(text);
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }

    #[test]
    fn more_operations_than_are_read_are_counted_not_kept() {
        let text = format!("[{}1]", "1,".repeat(OPERATIONS_READ_MAX + 5));
        let texts: OperationTexts = serde_json::from_str(&text).unwrap();
        assert_eq!((texts.texts.len(), texts.count), (OPERATIONS_READ_MAX, OPERATIONS_READ_MAX + 6));
        assert_eq!(texts.within_limit().unwrap_err().code, ErrorCode::LimitExceeded);
    }
}
