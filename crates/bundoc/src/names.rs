//! Rules for the names of databases, collections, documents and indexes.

use crate::engine::{FieldOrder, IndexSpec, Order};
use crate::error::EngineError;

/// Fields of one index.
const INDEX_FIELDS_MAX: usize = 8;

fn invalid(text: String) -> EngineError {
    EngineError::InvalidName(text)
}

/// 1 to 128 bytes of `[A-Za-z0-9_-]`.
pub(crate) fn check_database(name: &str) -> Result<(), EngineError> {
    let valid = !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if valid {
        Ok(())
    } else {
        Err(invalid("a database name has 1 to 128 letters, digits, `_` or `-`".into()))
    }
}

/// 1 to 255 bytes, segments between `/` neither empty nor `.` nor `..`, no control characters.
pub(crate) fn check_collection(name: &str) -> Result<(), EngineError> {
    if name.is_empty() || name.len() > 255 {
        return Err(invalid("a collection name has 1 to 255 bytes".into()));
    }
    if name.chars().any(char::is_control) {
        return Err(invalid("a collection name has no control characters".into()));
    }
    if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(invalid("a collection name has no empty, `.` or `..` segment".into()));
    }
    Ok(())
}

/// A collection name in which at least one segment is `*`.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), EngineError> {
    check_collection(pattern)?;
    let wild = |segment: &str| segment.contains('*');
    if !pattern.split('/').any(wild) || pattern.split('/').any(|segment| wild(segment) && segment != "*") {
        return Err(invalid("a pattern of collections has `*` as one or more whole segments".into()));
    }
    Ok(())
}

/// 1 to 512 bytes without control characters or `/`.
pub(crate) fn check_document_id(id: &str) -> Result<(), EngineError> {
    if id.is_empty() || id.len() > 512 {
        return Err(invalid("a document id has 1 to 512 bytes".into()));
    }
    if id.chars().any(|c| c.is_control() || c == '/') {
        return Err(invalid("a document id has neither control characters nor `/`".into()));
    }
    Ok(())
}

/// The name of an index that was given none: its fields and directions.
pub(crate) fn index_name(fields: &[FieldOrder]) -> String {
    let part = |field: &FieldOrder| {
        format!("{}_{}", field.path, if field.order == Order::Ascending { "1" } else { "-1" })
    };
    fields.iter().map(part).collect::<Vec<_>>().join("_")
}

/// 1 to 8 different fields, and a name without control characters or `/`.
pub(crate) fn check_index(index: &IndexSpec) -> Result<(), EngineError> {
    let invalid = |text: String| Err(EngineError::InvalidIndex(text));
    if index.fields.is_empty() || index.fields.len() > INDEX_FIELDS_MAX {
        return invalid(format!("an index has 1 to {INDEX_FIELDS_MAX} fields"));
    }
    for (position, field) in index.fields.iter().enumerate() {
        crate::path::check(&field.path).map_err(EngineError::InvalidIndex)?;
        if index.fields[..position].iter().any(|other| other.path == field.path) {
            return invalid(format!("`{}` is there twice", field.path));
        }
    }
    match &index.name {
        Some(name)
            if name.is_empty() || name.len() > 255 || name.chars().any(|c| c.is_control() || c == '/') =>
        {
            invalid("an index name has 1 to 255 bytes, neither control characters nor `/`".into())
        }
        _ => Ok(()),
    }
}
