//! Rules for the names of databases, collections, documents and indexes.

use crate::engine::{FieldOrder, IndexSpec, Order};
use crate::error::EngineError;
use std::time::Duration;

/// Fields of one index.
pub(crate) const INDEX_FIELDS_MAX: usize = 8;
/// The longest time after which documents expire, as MongoDB has it.
const EXPIRE_AFTER_MAX: Duration = Duration::from_secs((1 << 31) - 1);

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

fn invalid_index(text: impl Into<String>) -> EngineError {
    EngineError::InvalidIndex(text.into())
}

/// 1 to 8 different fields, a name without control characters or `/`, and kinds that go together.
pub(crate) fn check_index(index: &IndexSpec) -> Result<(), EngineError> {
    if index.fields.is_empty() || index.fields.len() > INDEX_FIELDS_MAX {
        return Err(invalid_index(format!("an index has 1 to {INDEX_FIELDS_MAX} fields")));
    }
    for (position, field) in index.fields.iter().enumerate() {
        crate::path::check(&field.path).map_err(EngineError::InvalidIndex)?;
        if index.fields[..position].iter().any(|other| other.path == field.path) {
            return Err(invalid_index(format!("`{}` is there twice", field.path)));
        }
    }
    if let Some(name) = &index.name
        && (name.is_empty() || name.len() > 255 || name.chars().any(|c| c.is_control() || c == '/'))
    {
        return Err(invalid_index("an index name has 1 to 255 bytes, neither control characters nor `/`"));
    }
    check_kinds(index)
}

fn check_kinds(index: &IndexSpec) -> Result<(), EngineError> {
    if index.sparse && index.partial.is_some() {
        return Err(invalid_index(
            "an index is sparse or partial; `{\"field\": {\"$exists\": true}}` as the filter of a partial one says both",
        ));
    }
    if let Some(partial) = &index.partial {
        let filter = crate::filter::parse(partial);
        filter.map_err(|error| invalid_index(format!("the filter of the index: {error}")))?;
    }
    let Some(after) = index.expire_after else { return Ok(()) };
    if index.fields.len() != 1 || index.fields[0].path == "_id" {
        return Err(invalid_index("documents expire by one field with a date, which is not `_id`"));
    }
    if after > EXPIRE_AFTER_MAX {
        return Err(invalid_index("documents expire 2147483647 seconds after a date at the most"));
    }
    Ok(())
}

/// What a group index cannot be.
pub(crate) fn check_group_index(index: &IndexSpec) -> Result<(), EngineError> {
    check_index(index)?;
    if index.unique {
        return Err(invalid_index("an index over several collections is not unique"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{CollectionName, CollectionPattern};
    use bson::doc;

    #[test]
    fn a_pattern_stands_for_whole_segments() {
        let matches = |pattern: &str, name: &str| {
            CollectionPattern::parse(pattern).unwrap().matches(&CollectionName::parse(name).unwrap())
        };
        assert!(matches("users/*/posts", "users/a/posts"));
        assert!(matches("*/*", "a/b"));
        for name in ["users/posts", "users/a/posts/b", "users/a/b/posts", "other/a/posts", "users/a/post"] {
            assert!(!matches("users/*/posts", name), "{name}");
        }
        for pattern in ["users/posts", "users/a*/posts", "**", "users//*", ""] {
            assert!(CollectionPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn kinds_of_indexes_that_do_not_go_together_are_refused() {
        let fields = |paths: &[&str]| {
            let field = |path: &&str| FieldOrder { path: (*path).to_owned(), order: Order::Ascending };
            paths.iter().map(field).collect::<Vec<_>>()
        };
        let plain = IndexSpec { fields: fields(&["a"]), ..IndexSpec::default() };
        let hour = Some(Duration::from_secs(3_600));
        check_index(&plain).unwrap();
        check_index(&IndexSpec { expire_after: hour, unique: true, ..plain.clone() }).unwrap();
        let refused = [
            IndexSpec { sparse: true, partial: Some(doc! {"a": 1}), ..plain.clone() },
            IndexSpec { partial: Some(doc! {"a": {"$nothing": 1}}), ..plain.clone() },
            IndexSpec { expire_after: hour, fields: fields(&["a", "b"]), ..plain.clone() },
            IndexSpec { expire_after: hour, fields: fields(&["_id"]), ..plain.clone() },
            IndexSpec { expire_after: Some(Duration::from_secs(1 << 31)), ..plain.clone() },
            IndexSpec { fields: fields(&["a", "a"]), ..plain.clone() },
        ];
        for spec in refused {
            assert!(matches!(check_index(&spec), Err(EngineError::InvalidIndex(_))), "{spec:?}");
        }
        let unique = IndexSpec { unique: true, ..plain };
        assert!(matches!(check_group_index(&unique), Err(EngineError::InvalidIndex(_))));
    }
}
