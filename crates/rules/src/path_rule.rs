//! Rules as they are sent and stored.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// Which paths, and when they are open. Both expressions are CEL over `request.auth`, `request.method`,
/// `request.path` and `params`; one that is missing is closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// Segments; `{name}` takes one and gives it to the expressions as `params.name`, `*` takes one, and
    /// at the end `**` (`>` for topics) takes the rest.
    pub path: String,
    /// When it may be read.
    #[serde(default, deserialize_with = "expression", skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// When it may be written.
    #[serde(default, deserialize_with = "expression", skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
}

/// The body with all rules: `{"rules": […]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleList {
    /// Every rule; any that allows opens.
    pub rules: Vec<PathRule>,
}

/// `true` and `false` are taken as the expressions of that name.
fn expression<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(ExpressionVisitor)
}

struct ExpressionVisitor;

impl Visitor<'_> for ExpressionVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CEL expression as a string, or true, false or null")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_expressions_and_unknown_fields_are_refused() {
        let rules: RuleList =
            serde_json::from_str(r#"{"rules": [{"path": "a", "read": true, "write": null}]}"#).unwrap();
        assert_eq!(rules.rules[0].read.as_deref(), Some("true"));
        assert_eq!(rules.rules[0].write, None);
        assert_eq!(serde_json::to_string(&rules).unwrap(), r#"{"rules":[{"path":"a","read":"true"}]}"#);
        for text in
            [r#"{"rules": [{"path": "a", "reed": "true"}]}"#, r#"{"rules": [{"path": "a", "read": 1}]}"#]
        {
            assert!(serde_json::from_str::<RuleList>(text).is_err(), "{text}");
        }
    }
}
