//! Filters as arguments: JSON objects, passed on as they are written.

use crate::cli::failure::UsageError;
use serde::Serialize;
use serde_json::{Map, Value};

/// A JSON object that was given as an argument.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Filter(pub(super) Map<String, Value>);

pub(super) fn parse_filter(text: &str) -> Result<Filter, UsageError> {
    serde_json::from_str(text).map(Filter).map_err(|error| {
        UsageError(format!("a filter is a JSON object, such as '{{\"country\": \"FR\"}}' ({error})"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_an_object() {
        assert!(parse_filter("{\"a\": 1}").is_ok());
        for wrong in ["[1]", "{a: 1}", "7"] {
            assert!(parse_filter(wrong).is_err(), "{wrong}");
        }
    }
}
