//! Filters against a model that follows the manual word by word over owned values: every value that a path
//! reaches is listed first, then the operator is asked of the list.

use super::parse;
use bson::{Bson, Document, RawDocumentBuf, doc};
use proptest::prelude::*;
use std::cmp::Ordering;

#[derive(Clone)]
enum End {
    Missing,
    Value(Bson),
    Element(Bson),
}

fn ends(value: &Bson, path: &[&str]) -> Vec<End> {
    let Some((name, rest)) = path.split_first() else { return vec![End::Value(value.clone())] };
    match value {
        Bson::Document(document) => match document.get(name) {
            Some(inner) => ends(inner, rest),
            None => vec![End::Missing],
        },
        Bson::Array(array) => {
            let mut found = Vec::new();
            for (position, element) in array.iter().enumerate() {
                if position.to_string() == **name {
                    match (rest, element) {
                        ([], element) => found.push(End::Element(element.clone())),
                        (rest, Bson::Document(_) | Bson::Array(_)) => found.extend(ends(element, rest)),
                        _ => {}
                    }
                }
                if let Bson::Document(_) = element {
                    found.extend(ends(element, path));
                }
            }
            found
        }
        _ => vec![End::Missing],
    }
}

/// The values that comparisons see.
fn compared(document: &Document, path: &str) -> Vec<Bson> {
    let path: Vec<_> = path.split('.').collect();
    let ends = ends(&Bson::Document(document.clone()), &path);
    ends.into_iter()
        .flat_map(|end| match end {
            End::Missing => vec![Bson::Null],
            End::Element(value) => vec![value],
            End::Value(Bson::Array(array)) => {
                let mut values = array.clone();
                values.push(Bson::Array(array));
                values
            }
            End::Value(value) => vec![value],
        })
        .collect()
}

fn reached(document: &Document, path: &str) -> Vec<Bson> {
    let path: Vec<_> = path.split('.').collect();
    let present = |end| match end {
        End::Missing => None,
        End::Value(value) | End::Element(value) => Some(value),
    };
    ends(&Bson::Document(document.clone()), &path).into_iter().filter_map(present).collect()
}

fn kind(value: &Bson) -> u8 {
    match value {
        Bson::Null => 0,
        Bson::Int32(_) | Bson::Double(_) => 1,
        Bson::String(_) => 2,
        Bson::Document(_) => 3,
        _ => 4,
    }
}

fn order(left: &Bson, right: &Bson) -> Ordering {
    let number = |value: &Bson| match value {
        Bson::Int32(integer) => Some(f64::from(*integer)),
        Bson::Double(double) => Some(*double),
        _ => None,
    };
    let kinds = kind(left).cmp(&kind(right));
    match (left, right) {
        _ if kinds.is_ne() => kinds,
        (Bson::String(a), Bson::String(b)) => a.cmp(b),
        (Bson::Array(a), Bson::Array(b)) => {
            let differing = a.iter().zip(b).map(|(a, b)| order(a, b)).find(|ordering| ordering.is_ne());
            differing.unwrap_or(a.len().cmp(&b.len()))
        }
        (Bson::Document(a), Bson::Document(b)) => {
            let field = |((ak, av), (bk, bv)): ((&String, &Bson), (&String, &Bson))| {
                kind(av).cmp(&kind(bv)).then(ak.cmp(bk)).then_with(|| order(av, bv))
            };
            let differing = a.iter().zip(b).map(field).find(|ordering| ordering.is_ne());
            differing.unwrap_or(a.len().cmp(&b.len()))
        }
        _ => number(left).partial_cmp(&number(right)).unwrap_or(Ordering::Equal),
    }
}

/// Whether an operator holds of one value by itself.
fn holds_of(value: &Bson, operator: &str, operand: &Bson) -> bool {
    let same_kind = kind(value) == kind(operand);
    let ordering = order(value, operand);
    match operator {
        "$eq" => ordering.is_eq(),
        "$gt" => same_kind && ordering.is_gt(),
        "$gte" => same_kind && ordering.is_ge(),
        "$lt" => same_kind && ordering.is_lt(),
        "$lte" => same_kind && ordering.is_le(),
        "$in" => operand.as_array().is_some_and(|list| list.iter().any(|one| order(value, one).is_eq())),
        other => panic!("{other} is not in the model"),
    }
}

fn holds(document: &Document, path: &str, operator: &str, operand: &Bson) -> bool {
    let values = compared(document, path);
    match operator {
        "$ne" => !holds(document, path, "$eq", operand),
        "$nin" => !holds(document, path, "$in", operand),
        "$exists" => reached(document, path).is_empty() != operand.as_bool().unwrap_or_default(),
        "$size" => reached(document, path)
            .iter()
            .any(|value| value.as_array().is_some_and(|a| Bson::Int32(a.len() as i32) == *operand)),
        "$all" => {
            let wanted = operand.as_array().cloned().unwrap_or_default();
            !wanted.is_empty()
                && wanted.iter().all(|one| values.iter().any(|value| order(value, one).is_eq()))
        }
        "$not" => {
            let inner = operand.as_document().cloned().unwrap_or_default();
            !inner.iter().all(|(operator, operand)| holds(document, path, operator, operand))
        }
        "$elemMatch" => {
            let inner = operand.as_document().cloned().unwrap_or_default();
            let passes =
                |element: &Bson| inner.iter().all(|(name, operand)| holds_of(element, name, operand));
            reached(document, path).iter().any(|value| value.as_array().is_some_and(|a| a.iter().any(passes)))
        }
        _ => values.iter().any(|value| holds_of(value, operator, operand)),
    }
}

fn any_value() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        Just(Bson::Null),
        (0_i32..4).prop_map(Bson::Int32),
        (0_i32..8).prop_map(|n| Bson::Double(f64::from(n) / 2.0)),
        "[xy]{0,1}".prop_map(Bson::String),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            proptest::collection::hash_map("[ab0]", inner, 0..3)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

fn any_comparison() -> impl Strategy<Value = Document> {
    let name = proptest::sample::select(vec!["$eq", "$gt", "$gte", "$lt", "$lte"]);
    prop_oneof![
        (name, any_value()).prop_map(|(name, operand)| doc! {name: operand}),
        proptest::collection::vec(any_value(), 0..4).prop_map(|list| doc! {"$in": list}),
    ]
}

fn any_condition() -> impl Strategy<Value = Document> {
    prop_oneof![
        4 => any_comparison(),
        1 => any_comparison().prop_map(|inner| doc! {"$not": inner}),
        1 => any_comparison().prop_map(|inner| doc! {"$elemMatch": inner}),
        1 => (any_comparison(), any_comparison()).prop_map(|(mut one, other)| {
            one.extend(other);
            doc! {"$elemMatch": one}
        }),
        1 => any_value().prop_map(|operand| doc! {"$ne": operand}),
        1 => proptest::collection::vec(any_value(), 0..4).prop_map(|list| doc! {"$nin": list}),
        1 => proptest::collection::vec(any_value(), 0..3).prop_map(|list| doc! {"$all": list}),
        1 => any::<bool>().prop_map(|exists| doc! {"$exists": exists}),
        1 => (0_i32..4).prop_map(|size| doc! {"$size": size}),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn filters_do_as_the_model(
        fields in proptest::collection::hash_map("[ab]", any_value(), 0..3),
        path in proptest::sample::select(vec!["a", "b", "a.b", "a.0", "a.b.a", "a.0.b", "a.1.0"]),
        condition in any_condition(),
    ) {
        let document: Document = fields.into_iter().collect();
        let filter = parse(&doc! {path: condition.clone()}).unwrap();
        let raw = RawDocumentBuf::try_from(&document).unwrap();
        let expected = condition.iter().all(|(name, operand)| holds(&document, path, name, operand));
        prop_assert_eq!(filter.matches(&raw), expected, "{} {} of {}", path, condition, document);
    }
}
