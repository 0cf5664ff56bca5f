//! `fields` of a query: a list of paths to keep, or a projection as MongoDB has it.

use crate::json;
use bson::{Bson, Document};
use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};

/// Paths in one list.
const PATHS_MAX: usize = 1_000;

/// What is kept of a document, as text.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Fields(Box<RawValue>);

impl Fields {
    /// The projection; without `fields` everything is kept.
    pub(super) fn projection(fields: Option<Self>) -> Result<Document, ApiError> {
        let Some(Self(text)) = fields else { return Ok(Document::new()) };
        let text = text.get();
        if text.trim_start().starts_with('{') {
            return json::read_filter(text.as_bytes());
        }
        let paths: Paths = serde_json::from_str(text).map_err(|error| {
            let message = format!("`fields` is a list of paths or an object of paths: {error}");
            ApiError::new(ErrorCode::InvalidRequest, message)
        })?;
        Ok(kept(paths.0.iter().map(String::as_str)))
    }
}

/// A projection that keeps these paths.
pub(super) fn kept<'a>(paths: impl Iterator<Item = &'a str>) -> Document {
    paths.map(|path| (path.to_owned(), Bson::Int32(1))).collect()
}

struct Paths(Vec<String>);

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PathsVisitor)
    }
}

struct PathsVisitor;

impl<'de> Visitor<'de> for PathsVisitor {
    type Value = Paths;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of paths")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Paths, E> {
        Ok(Paths(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Paths, A::Error> {
        let mut paths = Vec::new();
        while paths.len() < PATHS_MAX {
            let Some(path) = list.next_element()? else { return Ok(Paths(paths)) };
            paths.push(path);
        }
        if list.next_element::<IgnoredAny>()?.is_some() {
            return Err(de::Error::custom(format!("at the most {PATHS_MAX} paths")));
        }
        Ok(Paths(paths))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Paths, A::Error> {
        Err(de::Error::custom("an object stands by itself"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    fn projection(text: &str) -> Result<Document, ErrorCode> {
        let fields = serde_json::from_str(text).unwrap();
        Fields::projection(Some(fields)).map_err(|error| error.code)
    }

    #[test]
    fn both_forms_make_a_projection() {
        assert_eq!(projection(r#"["a", "b.c"]"#), Ok(doc! { "a": 1, "b.c": 1 }));
        assert_eq!(projection(r#"{"a": 0, "l": {"$slice": 2}}"#), Ok(doc! { "a": 0, "l": { "$slice": 2 } }));
        assert_eq!(projection("[]"), Ok(Document::new()));
        assert!(Fields::projection(None).unwrap().is_empty());
    }

    #[test]
    fn what_is_neither_is_refused() {
        let many = format!("[{}\"a\"]", "\"a\",".repeat(PATHS_MAX));
        for text in ["7", "\"a\"", "[1]", "[[\"a\"]]", many.as_str()] {
            assert_eq!(projection(text), Err(ErrorCode::InvalidRequest), "{}", &text[..text.len().min(20)]);
        }
    }
}
