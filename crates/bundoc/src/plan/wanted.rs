//! What a query asks of documents, by path, and which values of a field can fulfil it.

use super::span::Span;
use crate::filter::{Condition, Filter};
use crate::value::{Rank, rank};
use bson::RawBson;

/// Conditions that every answer fulfils.
#[derive(Default, Clone)]
pub(super) struct Wanted<'a> {
    pub(super) conditions: Vec<(&'a str, &'a Condition)>,
    /// Filters one of which every answer passes.
    pub(super) alternatives: Vec<&'a [Filter]>,
    /// Whether more is asked than `conditions`.
    pub(super) more: bool,
}

/// The values of a field that can fulfil what is asked of it, sorted and apart from each other.
pub(super) struct Bounds {
    pub(super) spans: Vec<Span>,
    /// Whether a field with one of them, and no array, fulfils all that is asked of it.
    pub(super) exact: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn add(&mut self, filter: &'a Filter) {
        match filter {
            Filter::And(parts) => parts.iter().for_each(|part| self.add(part)),
            Filter::Field { path, condition } => self.conditions.push((path, condition)),
            Filter::Or(parts) => {
                self.alternatives.push(parts);
                self.more = true;
            }
            Filter::Nor(_) | Filter::Expression(_) => self.more = true,
        }
    }

    pub(super) fn of<'b>(&'b self, path: &'b str) -> impl Iterator<Item = &'a Condition> + 'b {
        self.conditions.iter().filter(move |(wanted, _)| *wanted == path).map(|(_, condition)| *condition)
    }

    /// What is asked of a field as values; `None` where any may do. In an index with arrays two conditions
    /// may be fulfilled by two elements, so that only one of them counts.
    pub(super) fn bounds(&self, path: &str, multikey: bool) -> Option<Bounds> {
        let mut all = 0;
        let mut translated: Vec<(Vec<Span>, bool)> = Vec::new();
        for condition in self.of(path) {
            all += 1;
            translated.extend(spans(condition));
        }
        if multikey {
            let narrowest = translated.into_iter().map(|(spans, _)| spans).min_by_key(|spans| {
                let points = spans.iter().all(Span::is_point);
                (!points, spans.len())
            });
            return narrowest.map(|spans| Bounds { spans, exact: false });
        }
        let exact = translated.len() == all && translated.iter().all(|(_, exact)| *exact);
        let common =
            translated.into_iter().map(|(spans, _)| spans).reduce(|left, right| common(&left, &right));
        common.map(|spans| Bounds { spans, exact })
    }

    /// Whether every answer has the field.
    pub(super) fn implies_existence(&self, path: &str) -> bool {
        self.of(path).any(|condition| needs_field(path, condition))
    }
}

fn common(left: &[Span], right: &[Span]) -> Vec<Span> {
    let mut both: Vec<Span> =
        left.iter().flat_map(|left| right.iter().filter_map(|right| left.intersection(right))).collect();
    both.sort();
    both
}

/// Entries of elements cannot tell what an array is as a whole.
fn usable(value: &RawBson) -> bool {
    rank(value.as_raw_bson_ref()) != Rank::Array
}

/// The values that can fulfil a condition, and whether they all do; `None` where any can.
fn spans(condition: &Condition) -> Option<(Vec<Span>, bool)> {
    match condition {
        Condition::Equal(value) if usable(value) => Some((vec![Span::point(value.as_raw_bson_ref())], true)),
        Condition::In(values) if values.iter().all(usable) => {
            let mut points: Vec<Span> =
                values.iter().map(|value| Span::point(value.as_raw_bson_ref())).collect();
            points.sort();
            points.dedup();
            Some((points, true))
        }
        Condition::Compare(comparison, bound) if usable(bound) => {
            Some((Span::compared(*comparison, bound.as_raw_bson_ref()).into_iter().collect(), true))
        }
        Condition::Matches(pattern) => {
            // A value that is the same pattern matches as well.
            let text = Span::beginning_with(&pattern.prefix()?);
            Some((vec![text, Span::of_type(Rank::Regex)], false))
        }
        _ => None,
    }
}

fn is_null(value: &RawBson) -> bool {
    rank(value.as_raw_bson_ref()) == Rank::Null
}

/// Whether nothing without the field fulfils the condition.
fn needs_field(path: &str, condition: &Condition) -> bool {
    // A path through an array of scalars has no value at all, so not even a missing one that counts as null.
    let counts_as_null = !path.contains('.');
    match condition {
        Condition::Equal(value) | Condition::Compare(_, value) => !is_null(value),
        Condition::In(values) => !values.iter().any(is_null),
        Condition::NotEqual(value) => counts_as_null && is_null(value),
        Condition::NotIn(values) => counts_as_null && values.iter().any(is_null),
        Condition::Exists(exists) => *exists,
        Condition::Any(conditions) => conditions.iter().all(|condition| needs_field(path, condition)),
        Condition::Matches(_)
        | Condition::Type(_)
        | Condition::Size(_)
        | Condition::Modulo { .. }
        | Condition::Element(_) => true,
        Condition::Beyond(_) | Condition::Not(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::parse;
    use bson::doc;

    #[test]
    fn what_an_index_may_serve_is_seen_below_and() {
        let filter =
            parse(&doc! {"a": 1, "$and": [{"b": {"$gt": 2}}, {"s": {"$regex": "^ab"}}], "$or": [{"c": 1}]});
        let filter = filter.unwrap();
        let mut wanted = Wanted::default();
        wanted.add(&filter);
        let paths: Vec<&str> = wanted.conditions.iter().map(|(path, _)| *path).collect();
        assert_eq!((paths, wanted.alternatives.len(), wanted.more), (vec!["a", "b", "s"], 1, true));
        let bounds = |path: &str| wanted.bounds(path, false).map(|bounds| (bounds.spans.len(), bounds.exact));
        assert_eq!(bounds("a"), Some((1, true)));
        assert_eq!(bounds("b"), Some((1, true)));
        assert_eq!(bounds("s"), Some((2, false)), "text, and the same pattern");
        assert_eq!(bounds("c"), None);
    }

    #[test]
    fn several_conditions_on_a_field_narrow_it_together_unless_it_may_have_arrays() {
        let filter = parse(&doc! {"n": {"$gt": 2, "$lt": 9, "$in": [1, 5, 8, 20]}}).unwrap();
        let mut wanted = Wanted::default();
        wanted.add(&filter);
        let bounds = wanted.bounds("n", false).unwrap();
        assert!(bounds.exact && bounds.spans.len() == 2 && bounds.spans.iter().all(Span::is_point));
        let bounds = wanted.bounds("n", true).unwrap();
        assert!(
            !bounds.exact && bounds.spans.len() == 4,
            "the points, of which two elements may fulfil the rest"
        );
        let never = parse(&doc! {"n": {"$gt": 9, "$lt": 2}}).unwrap();
        let mut wanted = Wanted::default();
        wanted.add(&never);
        assert!(wanted.bounds("n", false).unwrap().spans.is_empty());
        assert_eq!(wanted.bounds("n", true).unwrap().spans.len(), 1);
    }
}
