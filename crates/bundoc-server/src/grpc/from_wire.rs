//! Messages as what the engine takes. BSON from outside is checked before anything walks it.

use crate::error;
use crate::grpc::wire::{self, find_and_modify, operation, replace};
use crate::json;
use bson::raw::RawBsonRef;
use bson::{Bson, Document, RawArray, RawDocument, RawDocumentBuf};
use bundoc::engine::{
    CollectionName, DocumentId, FieldOrder, FindAndModify, IndexSpec, Modification, Order, Precondition,
    Returning, RuleOperation, RuleSet, UpdateSpec, WriteOp,
};
use bytes::Bytes;
use service_kit::error::{ApiError, ErrorCode};
use std::time::Duration;

/// Levels of nesting in a filter, an update, a projection; as in JSON.
const DEPTH_MAX: usize = bundoc::json::DEPTH_MAX;
/// Sort keys of one query.
const SORT_FIELDS_MAX: usize = 8;

/// A collection as it stands in a message.
pub(super) fn collection(name: &str) -> Result<CollectionName, ApiError> {
    CollectionName::parse(name).map_err(error::engine)
}

pub(super) fn document_id(id: &str) -> Result<DocumentId, ApiError> {
    DocumentId::parse(id).map_err(error::engine)
}

/// A document that is to be stored; the engine checks all of it.
pub(super) fn document(bytes: &Bytes) -> Result<RawDocumentBuf, ApiError> {
    RawDocumentBuf::from_bytes(bytes.to_vec())
        .map_err(|broken| malformed(ErrorCode::InvalidDocument, &broken))
}

/// A filter or a projection; no bytes are an empty one.
pub(super) fn filter(bytes: &Bytes) -> Result<Document, ApiError> {
    parsed(bytes, ErrorCode::InvalidQuery)
}

pub(super) fn parsed(bytes: &Bytes, code: ErrorCode) -> Result<Document, ApiError> {
    if bytes.is_empty() {
        return Ok(Document::new());
    }
    let raw = RawDocument::from_bytes(bytes).map_err(|broken| malformed(code, &broken))?;
    check_depth(raw, DEPTH_MAX).map_err(|reason| ApiError::new(code, reason))?;
    Document::try_from(raw).map_err(|broken| malformed(code, &broken))
}

/// Refuses what nests too deeply, and what is no BSON.
fn check_depth(document: &RawDocument, left: usize) -> Result<(), String> {
    for field in document {
        let (_, value) = field.map_err(|broken| broken.to_string())?;
        check_value_depth(value, left)?;
    }
    Ok(())
}

fn check_array_depth(array: &RawArray, left: usize) -> Result<(), String> {
    for element in array {
        check_value_depth(element.map_err(|broken| broken.to_string())?, left)?;
    }
    Ok(())
}

fn check_value_depth(value: RawBsonRef<'_>, left: usize) -> Result<(), String> {
    let inside = || left.checked_sub(1).ok_or_else(|| format!("it nests deeper than {DEPTH_MAX} levels"));
    match value {
        RawBsonRef::Document(inner) => check_depth(inner, inside()?),
        RawBsonRef::Array(inner) => check_array_depth(inner, inside()?),
        RawBsonRef::JavaScriptCodeWithScope(_) => Err("code is not taken".to_owned()),
        _ => Ok(()),
    }
}

fn malformed(code: ErrorCode, broken: &dyn std::error::Error) -> ApiError {
    ApiError::new(code, format!("this is not valid BSON: {broken}"))
}

fn missing(what: &str) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, format!("send `{what}`"))
}

pub(super) fn fields(fields: Vec<wire::FieldOrder>) -> Vec<FieldOrder> {
    let field = |field: wire::FieldOrder| FieldOrder {
        path: field.path,
        order: if field.descending { Order::Descending } else { Order::Ascending },
    };
    fields.into_iter().map(field).collect()
}

pub(super) fn sort(keys: Vec<wire::FieldOrder>) -> Result<Vec<FieldOrder>, ApiError> {
    let keys = fields(keys);
    let twice =
        keys.iter().enumerate().find(|(at, key)| keys[..*at].iter().any(|other| other.path == key.path));
    if let Some((_, key)) = twice {
        let message = format!("`{}` stands twice in the sort", key.path);
        return Err(ApiError::new(ErrorCode::InvalidQuery, message));
    }
    if keys.len() > SORT_FIELDS_MAX {
        let message = format!("a sort has {SORT_FIELDS_MAX} fields at the most");
        return Err(ApiError::new(ErrorCode::InvalidQuery, message));
    }
    Ok(keys)
}

fn update(message: Option<wire::Update>) -> Result<UpdateSpec, ApiError> {
    let message = message.ok_or_else(|| missing("update"))?;
    let filters = message.array_filters.iter().map(|bytes| parsed(bytes, ErrorCode::InvalidUpdate));
    Ok(UpdateSpec {
        update: parsed(&message.bson, ErrorCode::InvalidUpdate)?,
        array_filters: filters.collect::<Result<_, _>>()?,
    })
}

fn if_version(version: Option<u64>) -> Precondition {
    version.map_or(Precondition::Any, Precondition::Version)
}

/// One operation of a write.
pub(super) fn operation(message: wire::Operation) -> Result<WriteOp, ApiError> {
    use operation::What;
    Ok(match message.what.ok_or_else(|| missing("operation"))? {
        What::Insert(insert) => WriteOp::Insert {
            collection: collection(&insert.collection)?,
            document: document(&insert.document)?,
        },
        What::Replace(put) => WriteOp::Replace {
            collection: collection(&put.collection)?,
            id: document_id(&put.id)?,
            document: document(&put.document)?,
            precondition: match put.condition {
                Some(replace::Condition::IfVersion(version)) => Precondition::Version(version),
                Some(replace::Condition::IfAbsent(true)) => Precondition::Absent,
                Some(replace::Condition::IfAbsent(false)) | None => Precondition::Any,
            },
        },
        What::Update(one) => WriteOp::Update {
            collection: collection(&one.collection)?,
            id: document_id(&one.id)?,
            update: update(one.update)?,
            precondition: if_version(one.if_version),
        },
        What::Delete(one) => WriteOp::Delete {
            collection: collection(&one.collection)?,
            id: document_id(&one.id)?,
            precondition: if_version(one.if_version),
        },
        What::UpdateMatching(matching) => WriteOp::UpdateMatching {
            collection: collection(&matching.collection)?,
            filter: filter(&matching.filter)?,
            change: Modification::Update(update(matching.update)?),
            many: matching.many,
            upsert: matching.upsert,
        },
        What::DeleteMatching(matching) => WriteOp::DeleteMatching {
            collection: collection(&matching.collection)?,
            filter: filter(&matching.filter)?,
            many: matching.many,
        },
        What::FindAndModify(found) => WriteOp::FindAndModify(find_and_modify(found)?),
        What::Emit(emit) => WriteOp::Emit { topic: emit.topic, payload: payload(&emit.payload)? },
        What::Enqueue(job) => WriteOp::Enqueue {
            queue: job.queue,
            payload: payload(&job.payload)?,
            options: parsed(&job.options, ErrorCode::InvalidRequest)?,
        },
    })
}

fn find_and_modify(message: wire::FindAndModify) -> Result<FindAndModify, ApiError> {
    use find_and_modify::Change;
    let change = match message.change {
        Some(Change::Update(spec)) => Modification::Update(update(Some(spec))?),
        Some(Change::Replacement(bytes)) => Modification::Replace(document(&bytes)?),
        Some(Change::Remove(true)) => Modification::Remove,
        Some(Change::Remove(false)) | None => return Err(missing("change")),
    };
    Ok(FindAndModify {
        collection: collection(&message.collection)?,
        filter: filter(&message.filter)?,
        sort: sort(message.sort)?,
        change,
        upsert: message.upsert,
        fields: filter(&message.projection)?,
        returning: if message.return_after { Returning::After } else { Returning::Before },
    })
}

fn payload(bytes: &Bytes) -> Result<Bson, ApiError> {
    let mut wrapped = parsed(bytes, ErrorCode::InvalidRequest)?;
    wrapped.remove(json::PAYLOAD_FIELD).ok_or_else(|| missing("payload.value"))
}

pub(super) fn rules(message: Option<wire::Rules>) -> RuleSet {
    let wire::Rules { read, list, create, update, delete, write } = message.unwrap_or_default();
    RuleSet { read, list, create, update, delete, write }
}

pub(super) fn rule_operation(name: &str) -> Result<RuleOperation, ApiError> {
    match name {
        "read" => Ok(RuleOperation::Read),
        "list" => Ok(RuleOperation::List),
        "create" => Ok(RuleOperation::Create),
        "update" => Ok(RuleOperation::Update),
        "delete" => Ok(RuleOperation::Delete),
        _ => {
            let message = "`operation` is read, list, create, update or delete";
            Err(ApiError::new(ErrorCode::InvalidRequest, message))
        }
    }
}

pub(super) fn index(message: Option<wire::IndexSpec>) -> Result<IndexSpec, ApiError> {
    let message = message.ok_or_else(|| missing("index"))?;
    Ok(IndexSpec {
        name: (!message.name.is_empty()).then_some(message.name),
        fields: fields(message.fields),
        unique: message.unique,
        sparse: message.sparse,
        partial: message.partial.as_ref().map(filter).transpose()?,
        expire_after: message.expire_after_seconds.map(Duration::from_secs),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[test]
    fn a_filter_that_nests_too_deeply_is_refused() {
        let mut deep = doc! {};
        for _ in 0..DEPTH_MAX + 2 {
            deep = doc! { "a": deep };
        }
        let refused = filter(&Bytes::from(deep.to_vec().unwrap())).unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidQuery);
        assert!(refused.message.contains("100 levels"), "{}", refused.message);
    }

    #[test]
    fn broken_bytes_are_refused_with_the_code_of_their_place() {
        for broken in [&b"\x01"[..], &[200, 0, 0, 0, 0], &[6, 0, 0, 0, 9, 0]] {
            let bytes = Bytes::copy_from_slice(broken);
            assert_eq!(filter(&bytes).unwrap_err().code, ErrorCode::InvalidQuery, "{broken:?}");
        }
        assert_eq!(document(&Bytes::new()).unwrap_err().code, ErrorCode::InvalidDocument);
        assert!(filter(&Bytes::new()).unwrap().is_empty());
    }

    #[test]
    fn a_payload_is_one_value() {
        let bytes = Bytes::from(doc! { "value": [1, "a"] }.to_vec().unwrap());
        assert_eq!(payload(&bytes).unwrap(), Bson::Array(vec![Bson::Int32(1), Bson::from("a")]));
        assert!(payload(&Bytes::new()).is_err());
    }
}
