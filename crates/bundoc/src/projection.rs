//! Projections: which fields of a document are shown.

use crate::error::EngineError;
use crate::path;
use bson::raw::CStr;
use bson::{Document, RawArray, RawBsonRef, RawDocument, RawDocumentBuf};

/// Fields of one projection.
const FIELDS_MAX: usize = 256;

/// A checked projection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Projection {
    paths: Vec<String>,
}

impl Projection {
    /// Checks a projection document; an empty one shows everything.
    pub(crate) fn parse(fields: &Document) -> Result<Self, EngineError> {
        if fields.len() > FIELDS_MAX {
            return Err(EngineError::InvalidQuery(format!(
                "{FIELDS_MAX} fields can be asked for at the most"
            )));
        }
        let paths: Vec<String> = fields.keys().cloned().collect();
        paths.iter().try_for_each(|field| path::check(field).map_err(EngineError::InvalidQuery))?;
        Ok(Self { paths })
    }

    /// Whether whole documents are shown.
    pub(crate) fn is_everything(&self) -> bool {
        self.paths.is_empty()
    }

    /// What is shown of `document`.
    pub(crate) fn apply(&self, document: &RawDocument) -> Result<RawDocumentBuf, EngineError> {
        if self.is_everything() { Ok(document.to_owned()) } else { project(document, &self.paths) }
    }
}

fn malformed(error: impl std::fmt::Display) -> EngineError {
    EngineError::Damaged(format!("a stored document is not valid BSON: {error}"))
}

/// `document` with only the fields that `paths` name, and `_id`.
fn project(document: &RawDocument, paths: &[String]) -> Result<RawDocumentBuf, EngineError> {
    let mut kept: Vec<&str> = paths.iter().map(String::as_str).collect();
    kept.push("_id");
    project_document(document, &kept)
}

fn project_document(document: &RawDocument, paths: &[&str]) -> Result<RawDocumentBuf, EngineError> {
    let mut out = RawDocumentBuf::new();
    for field in document {
        let (name, value) = field.map_err(malformed)?;
        if paths.contains(&name.as_str()) {
            append(&mut out, name, value);
            continue;
        }
        let inner = inner_paths(paths, name.as_str());
        match value {
            RawBsonRef::Document(document) if !inner.is_empty() => {
                out.append(name, project_document(document, &inner)?);
            }
            RawBsonRef::Array(array) if !inner.is_empty() => {
                out.append(name, project_array(array, &inner)?);
            }
            _ => {}
        }
    }
    Ok(out)
}

fn append(out: &mut RawDocumentBuf, name: &CStr, value: RawBsonRef<'_>) {
    out.append(name, value);
}

fn project_array(array: &RawArray, paths: &[&str]) -> Result<bson::RawArrayBuf, EngineError> {
    let mut out = bson::RawArrayBuf::new();
    for element in array {
        match element.map_err(malformed)? {
            RawBsonRef::Document(document) => out.push(project_document(document, paths)?),
            RawBsonRef::Array(array) => out.push(project_array(array, paths)?),
            _ => {}
        }
    }
    Ok(out)
}

fn inner_paths<'a>(paths: &[&'a str], name: &str) -> Vec<&'a str> {
    paths.iter().filter_map(|path| path.strip_prefix(name)?.strip_prefix('.')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn projection_keeps_the_id_and_the_asked_paths() {
        let document = rawdoc! {"_id": "x", "a": {"b": 1, "c": 2}, "l": [{"b": 1, "c": 2}, 3], "z": 1};
        let kept = project(&document, &["a.b".into(), "l.c".into()]).unwrap();
        assert_eq!(kept, rawdoc! {"_id": "x", "a": {"b": 1}, "l": [{"c": 2}]});
    }
}
