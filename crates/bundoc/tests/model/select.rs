//! Filters and orders: as the engine takes them, and what they mean in the model.

use crate::shape::{Fields, id};
use bson::{Document, doc};
use bundoc::engine::{FieldOrder, Order};
use proptest::prelude::*;
use std::cmp::Ordering;

#[derive(Debug, Clone)]
pub(crate) enum Select {
    All,
    Id(u8),
    AtLeast(i32),
    Between(i32, i32),
    Unique(i32),
    Text(String),
    NoText,
    Listed(i32),
    ListedAbove(i32),
    Inside(i32),
    Either(i32, i32),
    Both(i32, String),
}

pub(crate) fn select() -> impl Strategy<Value = Select> {
    use Select as S;
    let number = || -3_i32..4;
    prop_oneof![
        1 => Just(S::All),
        2 => (0_u8..12).prop_map(S::Id),
        2 => number().prop_map(S::AtLeast),
        1 => (number(), number()).prop_map(|(low, high)| S::Between(low, high)),
        1 => (0_i32..40).prop_map(S::Unique),
        1 => "[ab]{0,2}".prop_map(S::Text),
        1 => Just(S::NoText),
        2 => number().prop_map(S::Listed),
        1 => number().prop_map(S::ListedAbove),
        1 => number().prop_map(S::Inside),
        1 => (number(), number()).prop_map(|(n, l)| S::Either(n, l)),
        1 => (number(), "[ab]{0,2}").prop_map(|(n, s)| S::Both(n, s)),
    ]
}

impl Select {
    pub(crate) fn filter(&self) -> Document {
        match self {
            Self::All => doc! {},
            Self::Id(key) => doc! {"_id": id(*key).as_str()},
            Self::AtLeast(n) => doc! {"n": {"$gte": n}},
            Self::Between(low, high) => doc! {"n": {"$gt": low, "$lt": high}},
            Self::Unique(u) => doc! {"u": u},
            Self::Text(s) => doc! {"s": s},
            Self::NoText => doc! {"s": null},
            Self::Listed(value) => doc! {"l": value},
            Self::ListedAbove(bound) => doc! {"l": {"$gt": bound}},
            Self::Inside(p) => doc! {"o.p": p},
            Self::Either(n, value) => doc! {"$or": [{"n": n}, {"l": value}]},
            Self::Both(n, s) => doc! {"n": n, "s": {"$in": [s]}},
        }
    }

    pub(crate) fn matches(&self, document: &str, fields: &Fields) -> bool {
        let listed = |test: &dyn Fn(i32) -> bool| fields.l.iter().flatten().any(|value| test(*value));
        match self {
            Self::All => true,
            Self::Id(key) => document == id(*key).as_str(),
            Self::AtLeast(n) => fields.n.is_some_and(|own| own >= *n),
            Self::Between(low, high) => fields.n.is_some_and(|own| own > *low && own < *high),
            Self::Unique(u) => fields.u == Some(*u),
            Self::Text(s) => fields.s.as_ref() == Some(s),
            Self::NoText => fields.s.is_none(),
            Self::Listed(wanted) => listed(&|value| value == *wanted),
            Self::ListedAbove(bound) => listed(&|value| value > *bound),
            Self::Inside(p) => fields.p() == Some(*p),
            Self::Either(n, wanted) => fields.n == Some(*n) || listed(&|value| value == *wanted),
            Self::Both(n, s) => fields.n == Some(*n) && fields.s.as_ref() == Some(s),
        }
    }

    /// Which element of the list it matched.
    pub(crate) fn position(&self, fields: &Fields) -> Option<usize> {
        let first = |test: &dyn Fn(i32) -> bool| fields.l.as_ref()?.iter().position(|value| test(*value));
        match self {
            Self::Listed(wanted) => first(&|value| value == *wanted),
            Self::ListedAbove(bound) => first(&|value| value > *bound),
            // The alternative that matched counts, and it is looked for in their order.
            Self::Either(n, wanted) if fields.n != Some(*n) => first(&|value| value == *wanted),
            _ => None,
        }
    }

    /// The document that an upsert begins with; `None` where it cannot be one of the model.
    pub(crate) fn seed(&self) -> Option<Fields> {
        let empty = Fields::default();
        match self {
            // These would write a number where the model has a list, or null.
            Self::Listed(_) | Self::NoText => None,
            Self::Unique(u) => Some(Fields { u: Some(*u), ..empty }),
            Self::Text(s) => Some(Fields { s: Some(s.clone()), ..empty }),
            Self::Inside(p) => Some(Fields { o: Some(Some(*p)), ..empty }),
            Self::Both(n, s) => Some(Fields { n: Some(*n), s: Some(s.clone()), ..empty }),
            Self::All
            | Self::Id(_)
            | Self::AtLeast(_)
            | Self::Between(..)
            | Self::ListedAbove(_)
            | Self::Either(..) => Some(empty),
        }
    }

    /// The id that an upsert gets from it.
    pub(crate) fn id(&self) -> Option<String> {
        match self {
            Self::Id(key) => Some(id(*key).to_string()),
            _ => None,
        }
    }
}

/// Sort keys; the id breaks ties in the direction of the last one.
#[derive(Debug, Clone)]
pub(crate) struct Sort(Vec<(&'static str, Order)>);

pub(crate) fn sort() -> impl Strategy<Value = Sort> {
    let order = prop_oneof![Just(Order::Ascending), Just(Order::Descending)];
    let field = (prop::sample::select(vec!["n", "s", "o.p", "u"]), order);
    proptest::collection::vec(field, 0..3).prop_map(|mut fields| {
        let mut seen = Vec::new();
        fields.retain(|(path, _)| {
            let new = !seen.contains(path);
            seen.push(*path);
            new
        });
        Sort(fields)
    })
}

impl Sort {
    pub(crate) fn by_id() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn of(fields: &[(&'static str, Order)]) -> Self {
        Self(fields.to_vec())
    }

    pub(crate) fn fields(&self) -> Vec<FieldOrder> {
        self.0.iter().map(|(path, order)| FieldOrder { path: (*path).to_owned(), order: *order }).collect()
    }

    pub(crate) fn compare(&self, left: (&String, &Fields), right: (&String, &Fields)) -> Ordering {
        let mut ordering = Ordering::Equal;
        for (path, order) in &self.0 {
            let next = match *path {
                "n" => left.1.n.cmp(&right.1.n),
                "u" => left.1.u.cmp(&right.1.u),
                "s" => left.1.s.cmp(&right.1.s),
                _ => left.1.p().cmp(&right.1.p()),
            };
            ordering = ordering.then(directed(next, *order));
        }
        let last = self.0.last().map_or(Order::Ascending, |(_, order)| *order);
        ordering.then(directed(left.0.cmp(right.0), last))
    }
}

fn directed(ordering: Ordering, order: Order) -> Ordering {
    match order {
        Order::Ascending => ordering,
        Order::Descending => ordering.reverse(),
    }
}
