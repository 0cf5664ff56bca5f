//! Filters: what a query asks of a document. Parsed once into a tree with a bounded depth, then matched
//! against raw documents without allocation. Semantics are those of MongoDB: comparisons stay within one
//! type, arrays match by any element or as a whole.

mod condition;
mod operand;
mod parse;
mod regex;
mod types;

pub(crate) use condition::{Comparison, Condition, ElementTest};
pub(crate) use operand::whole_number;
pub(crate) use parse::{parse, parse_element, parse_with};
pub(crate) use regex::{Pattern, Patterns};
pub(crate) use types::{Types, type_name};

use crate::expr::Expression;
use bson::RawDocument;

/// A parsed filter.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Nor(Vec<Filter>),
    Field {
        path: String,
        condition: Condition,
    },
    /// `$expr`: an expression that is true. Where it fails (a sum of strings) the document does not match.
    Expression(Expression),
}

impl Filter {
    /// Whether `document` passes.
    pub(crate) fn matches(&self, document: &RawDocument) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(document)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(document)),
            Self::Nor(parts) => !parts.iter().any(|part| part.matches(document)),
            Self::Field { path, condition } => condition.holds(document, path),
            Self::Expression(expression) => expression.evaluate(document).is_ok_and(|value| value.is_true()),
        }
    }

    /// Adds all paths that decide; whether these are all that does.
    pub(crate) fn add_paths(&self, paths: &mut Vec<String>) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) | Self::Nor(parts) => {
                parts.iter().all(|part| part.add_paths(paths))
            }
            Self::Field { path, .. } => {
                paths.push(path.clone());
                true
            }
            Self::Expression(_) => false,
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
