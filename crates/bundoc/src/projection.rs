//! Projections: which fields of a document are shown, as MongoDB has them. Either the fields that are kept
//! are named, or those that are left out; `_id` may be an exception to both. `$slice` cuts arrays, and by
//! itself leaves the rest as it is; `$elemMatch` keeps the first element that passes, and like a kept field
//! leaves out the rest.

mod parse;

use crate::error::EngineError;
use crate::filter::ElementTest;
use bson::{Document, RawArray, RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};

/// A checked projection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Projection {
    mode: Mode,
    fields: Fields,
    patterns: usize,
}

/// What happens to fields that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    /// They are left out.
    Inclusion,
    /// They are shown.
    #[default]
    Exclusion,
}

/// What happens to named fields, in the order of names.
type Fields = Vec<(String, Node)>;

#[derive(Debug, Clone)]
enum Node {
    Keep,
    Drop,
    Slice(Slice),
    Element(ElementTest),
    Inner(Fields),
}

/// A part of an array: `skip` from the end where it is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slice {
    skip: i64,
    limit: usize,
}

impl Projection {
    /// Checks a projection document; an empty one shows everything.
    pub(crate) fn parse(fields: &Document) -> Result<Self, EngineError> {
        parse::projection(fields)
    }

    /// Whether whole documents are shown.
    pub(crate) fn is_everything(&self) -> bool {
        self.mode == Mode::Exclusion && self.fields.is_empty()
    }

    /// How many regular expressions it holds.
    pub(crate) fn patterns(&self) -> usize {
        self.patterns
    }

    /// The paths without which it cannot be applied; `None` where that is the whole document.
    pub(crate) fn needed_paths(&self) -> Option<Vec<String>> {
        if self.mode == Mode::Exclusion {
            return None;
        }
        let mut paths = Vec::new();
        collect_paths("", &self.fields, &mut paths);
        Some(paths)
    }

    /// What is shown of `document`.
    pub(crate) fn apply(&self, document: &RawDocument) -> Result<RawDocumentBuf, EngineError> {
        if self.is_everything() { Ok(document.to_owned()) } else { self.document(document, &self.fields) }
    }

    fn document(&self, document: &RawDocument, fields: &Fields) -> Result<RawDocumentBuf, EngineError> {
        let mut out = RawDocumentBuf::new();
        for field in document {
            let (name, value) = field.map_err(malformed)?;
            let node = fields.binary_search_by(|(known, _)| known.as_str().cmp(name.as_str()));
            match (node.ok().map(|position| &fields[position].1), value) {
                (None, value) if self.mode == Mode::Exclusion => out.append(name, value),
                (None | Some(Node::Drop), _) => {}
                (Some(Node::Slice(slice)), RawBsonRef::Array(array)) => out.append(name, slice.of(array)?),
                (Some(Node::Keep | Node::Slice(_)), value) => out.append(name, value),
                (Some(Node::Element(test)), RawBsonRef::Array(array)) => {
                    if let Some(first) = first(array, test)? {
                        out.append(name, first);
                    }
                }
                (Some(Node::Element(_)), _) => {}
                (Some(Node::Inner(inner)), RawBsonRef::Document(document)) => {
                    out.append(name, self.document(document, inner)?);
                }
                (Some(Node::Inner(inner)), RawBsonRef::Array(array)) => {
                    out.append(name, self.array(array, inner)?);
                }
                (Some(Node::Inner(_)), value) => {
                    if self.mode == Mode::Exclusion {
                        out.append(name, value);
                    }
                }
            }
        }
        Ok(out)
    }

    /// Every document of the array by itself.
    fn array(&self, array: &RawArray, fields: &Fields) -> Result<RawArrayBuf, EngineError> {
        let mut out = RawArrayBuf::new();
        for element in array {
            match element.map_err(malformed)? {
                RawBsonRef::Document(document) => out.push(self.document(document, fields)?),
                RawBsonRef::Array(array) => out.push(self.array(array, fields)?),
                value if self.mode == Mode::Exclusion => out.push(value),
                _ => {}
            }
        }
        Ok(out)
    }
}

fn malformed(error: impl std::fmt::Display) -> EngineError {
    EngineError::Damaged(format!("a stored document is not valid BSON: {error}"))
}

fn collect_paths(before: &str, fields: &Fields, paths: &mut Vec<String>) {
    for (name, node) in fields {
        let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        match node {
            Node::Keep | Node::Slice(_) | Node::Element(_) => paths.push(path),
            Node::Inner(inner) => collect_paths(&path, inner, paths),
            Node::Drop => {}
        }
    }
}

impl Slice {
    fn of(self, array: &RawArray) -> Result<RawArrayBuf, EngineError> {
        let skip = match usize::try_from(self.skip) {
            Ok(skip) => skip,
            Err(_) => {
                let from_end = usize::try_from(self.skip.unsigned_abs()).unwrap_or(usize::MAX);
                array.iter_elements().count().saturating_sub(from_end)
            }
        };
        let mut out = RawArrayBuf::new();
        for element in array.into_iter().skip(skip).take(self.limit) {
            out.push(element.map_err(malformed)?);
        }
        Ok(out)
    }
}

/// An array of the first element that passes.
fn first(array: &RawArray, test: &ElementTest) -> Result<Option<RawArrayBuf>, EngineError> {
    for element in array {
        let element = element.map_err(malformed)?;
        if test.passes(element) {
            let mut out = RawArrayBuf::new();
            out.push(element);
            return Ok(Some(out));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{doc, rawdoc};

    #[test]
    fn projection_keeps_the_id_and_the_asked_paths() {
        let document = rawdoc! {"_id": "x", "a": {"b": 1, "c": 2}, "l": [{"b": 1, "c": 2}, 3], "z": 1};
        let projection = Projection::parse(&doc! {"a.b": 1, "l.c": 1}).unwrap();
        assert_eq!(
            projection.apply(&document).unwrap(),
            rawdoc! {"_id": "x", "a": {"b": 1}, "l": [{"c": 2}]}
        );
    }

    #[test]
    fn what_has_to_be_read_is_known_for_inclusions() {
        let needed = |fields: Document| Projection::parse(&fields).unwrap().needed_paths();
        assert_eq!(needed(doc! {"b": 1, "a.c": 1}), Some(vec!["_id".into(), "a.c".into(), "b".into()]));
        assert_eq!(needed(doc! {"b": 1, "_id": 0}), Some(vec!["b".into()]));
        assert_eq!(needed(doc! {"b": 0}), None);
        assert_eq!(needed(doc! {"b": {"$slice": 1}}), None);
        assert_eq!(needed(doc! {}), None);
    }
}
