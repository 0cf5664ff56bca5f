//! Filters of events and documents, in the language of document queries.

use bson::Document;
use bundoc::error::EngineError;
use bundoc::{Matcher, json};
use serde_json::{Map, Value};

/// Reads a filter.
///
/// # Errors
/// It is none.
pub(crate) fn parse(filter: &Map<String, Value>) -> Result<Matcher, EngineError> {
    let text = serde_json::to_vec(filter).map_err(|error| EngineError::InvalidQuery(error.to_string()))?;
    Matcher::new(json::query_from_json(&text)?, Document::new())
}

/// Whether JSON passes; what is no object passes no filter.
pub(super) fn passes(filter: Option<&Matcher>, json: &[u8]) -> bool {
    let Some(filter) = filter else { return true };
    json::from_json(json).is_ok_and(|document| filter.matches(&document))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Matcher {
        parse(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn a_filter_decides_about_json() {
        let large = filter(r#"{"total": {"$gte": 10}}"#);
        assert!(passes(Some(&large), br#"{"total": 12}"#));
        for json in [&br#"{"total": 9}"#[..], b"[]", b"12", b"not json"] {
            assert!(!passes(Some(&large), json), "{json:?}");
        }
        assert!(passes(None, b"not json"));
        assert!(parse(&serde_json::from_str(r#"{"a": {"$nothing": 1}}"#).unwrap()).is_err());
    }
}
