//! The document that an upsert starts from: what the filter says that fields are equal to.

use super::Context;
use super::invalid;
use super::operation::Operation;
use super::path;
use super::selectors::Selectors;
use super::tree::{Branch, Leaf, Place};
use super::walk::Walk;
use crate::error::EngineError;
use crate::filter::{Condition, Filter};
use bson::{Bson, DateTime, Document, RawBson};

/// The fields that a filter fixes to one value, under `$and` and alternatives without another.
pub(crate) fn fields_of(filter: &Filter) -> Result<Document, EngineError> {
    let mut root = Branch::default();
    collect(filter, &mut root)?;
    let selectors = Selectors::default();
    let context = Context { filter: None, inserting: true, now: DateTime::from_millis(0) };
    let mut document = Document::new();
    Walk::new(&selectors, Vec::new(), Vec::new(), &context).document(&[&root], &mut document)?;
    Ok(document)
}

fn collect(filter: &Filter, root: &mut Branch) -> Result<(), EngineError> {
    match filter {
        Filter::And(parts) => parts.iter().try_for_each(|part| collect(part, root)),
        Filter::Or(parts) if parts.len() == 1 => collect(&parts[0], root),
        Filter::Field { path, condition: Condition::Equal(value) } => add(path, value, root),
        Filter::Field { path, condition: Condition::In(values) } if values.len() == 1 => {
            add(path, &values[0], root)
        }
        _ => Ok(()),
    }
}

fn add(path: &str, value: &RawBson, root: &mut Branch) -> Result<(), EngineError> {
    let value = Bson::try_from(value.clone()).map_err(|error| invalid(error.to_string()))?;
    let place = Place { operator: "upsert", path: path.to_owned() };
    let segments = path::parse(path, &mut Selectors::default())?;
    let leaf = Leaf { place, operation: Operation::Set(value), bytes: 0 };
    let ambiguous = |_| {
        invalid(format!(
            "the query gives `{path}` or what it is part of several values, so that it is not clear what to insert"
        ))
    };
    root.insert(segments, leaf).map_err(ambiguous)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
    fn fields(filter: Document) -> Result<Document, EngineError> {
        fields_of(&crate::filter::parse(&filter).unwrap())
    }

    #[test]
    fn equalities_become_fields() {
        let cases = [
            (doc! {"a": 1, "b.c": {"$eq": 2}}, doc! {"a": 1, "b": {"c": 2}}),
            (doc! {"$and": [{"a": 1}, {"$and": [{"b": null}]}]}, doc! {"a": 1, "b": null}),
            (doc! {"$or": [{"a": 1}]}, doc! {"a": 1}),
            (doc! {"$or": [{"a": 1}, {"b": 1}]}, doc! {}),
            (doc! {"a": {"$in": [3]}, "b": {"$in": [3, 4]}}, doc! {"a": 3}),
            (doc! {"a": {"$gt": 3}, "b": {"$ne": 1}, "$nor": [{"c": 1}]}, doc! {}),
            (doc! {"a.0": 1}, doc! {"a": {"0": 1}}),
            (doc! {"a": [1, 2]}, doc! {"a": [1, 2]}),
            (doc! {"a": {"x": 1}}, doc! {"a": {"x": 1}}),
        ];
        for (filter, expected) in cases {
            assert_eq!(fields(filter.clone()).unwrap(), expected, "{filter}");
        }
    }

    #[test]
    fn ambiguous_equalities_are_refused() {
        for filter in [
            doc! {"$and": [{"a": 1}, {"a": 2}]},
            doc! {"a": {"b": 1}, "a.b": 1},
            doc! {"a": {"$eq": 1, "$in": [1]}},
        ] {
            assert!(matches!(fields(filter.clone()), Err(EngineError::InvalidUpdate(_))), "{filter}");
        }
    }
}
