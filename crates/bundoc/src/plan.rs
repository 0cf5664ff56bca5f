//! Chooses how a query is answered: by ranges of an index, by ranges of several for `$or`, by ranges of ids,
//! or by a scan. The filter is checked on every document afterwards, except where a plan says that its ranges
//! decide alone, so a plan may find too much and never too little.
//!
//! Plans are compared by cost: entries read, documents fetched, ranges opened, documents sorted. How many
//! entries a range has is counted where it is short, and taken from statistics where it is long.

mod candidate;
mod cost;
mod order;
mod partial;
mod span;
mod wanted;

use crate::catalog::{BuildState, Index, IndexShape};
use crate::engine::{Order, PlanSummary};
use crate::filter::{Condition, Filter};
use crate::layout::{Id, pair};
use crate::query::Query;
use crate::store::KeyRange;
use candidate::Candidate;
pub(crate) use cost::Estimator;
use order::Prefix;
pub(crate) use span::Span;
use std::sync::Arc;
use wanted::Wanted;

/// How a query is answered.
#[derive(Clone)]
pub(crate) struct Plan {
    /// What is read, one after the other.
    pub(crate) scans: Vec<Scan>,
    /// Whether documents come in the order of the query.
    pub(crate) order: PlanOrder,
    /// Whether a document may come more than once.
    pub(crate) repeats: bool,
    /// Whether all that comes passes the filter.
    pub(crate) exact: bool,
    /// Whether entries have all that is needed of a document.
    pub(crate) covered: bool,
}

/// Ranges of one index, or of ids.
#[derive(Clone)]
pub(crate) struct Scan {
    /// The index; `None` reads documents by id.
    pub(crate) index: Option<Arc<IndexShape>>,
    /// What is read, in this order.
    pub(crate) ranges: Vec<KeyRange>,
    /// What equality binds of the index.
    prefix: Prefix,
}

/// In which order a plan finds documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlanOrder {
    /// That of the query, reading forward.
    Forward,
    /// That of the query, reading backward.
    Backward,
    /// Another.
    Other,
}

/// How much of the answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// One page, in the order of the query.
    Page,
    /// All that matches, in any order.
    All,
}

/// Where documents are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In one collection.
    Collection(Id),
    /// In so many that match a pattern; without an index they are read one after the other.
    Group(u64),
}

/// A query to plan.
pub(crate) struct Asked<'a> {
    pub(crate) database: Id,
    pub(crate) place: Place,
    pub(crate) query: &'a Query,
    /// A filter that whatever the actor may list passes. It narrows what is read; the rules themselves decide.
    pub(crate) narrowing: Option<&'a Filter>,
    pub(crate) goal: Goal,
    /// The fields that are enough to answer; `None` where the whole document is needed.
    pub(crate) fields: Option<Vec<String>>,
    /// Documents in the place.
    pub(crate) documents: u64,
}

/// A plan and what is expected of it.
pub(crate) struct Choice {
    pub(crate) plan: Plan,
    pub(crate) summary: PlanSummary,
}

/// Chooses the plan.
pub(crate) fn choose(asked: &Asked<'_>, indexes: &[Index], estimator: &Estimator<'_>) -> Plan {
    let mut candidates = candidates(asked, indexes);
    if let Some(obvious) = candidates.iter().position(|candidate| candidate.is_obvious(asked.goal)) {
        return candidates.swap_remove(obvious).plan;
    }
    if candidates.len() > 1 {
        let costs = cost::of(asked, &candidates, estimator);
        let cheapest = cost::by_cost(&candidates, &costs).next().unwrap_or_default();
        return candidates.swap_remove(cheapest).plan;
    }
    match candidates.pop() {
        Some(only) => only.plan,
        None => Plan::nothing(),
    }
}

/// By id, in the order of ids; behind `after` in the direction of the sort.
pub(crate) fn by_id(asked: &Asked<'_>, collection: Id, after: Option<&str>) -> Plan {
    let mut wanted = Wanted::default();
    wanted.add(&asked.query.filter);
    let mut plan = candidate::by_id(asked, collection, &wanted).plan;
    if let Some(after) = after {
        plan.pass(&[pair(asked.database, collection).as_slice(), after.as_bytes()].concat());
    }
    plan
}

/// All plans, the cheapest first.
pub(crate) fn compare(asked: &Asked<'_>, indexes: &[Index], estimator: &Estimator<'_>) -> Vec<Choice> {
    let candidates = candidates(asked, indexes);
    let costs = cost::of(asked, &candidates, estimator);
    let mut order: Vec<usize> = cost::by_cost(&candidates, &costs).collect();
    // What is obvious is taken without a look at costs.
    if let Some(obvious) = candidates.iter().position(|candidate| candidate.is_obvious(asked.goal)) {
        order.retain(|place| *place != obvious);
        order.insert(0, obvious);
    }
    let choice = |place: usize| {
        let Candidate { plan, bound_fields, .. } = &candidates[place];
        let summary = PlanSummary {
            index: plan.index_name(),
            bound_fields: *bound_fields,
            ordered: plan.order != PlanOrder::Other,
            covered: plan.covered,
            estimated_examined: costs[place].examined,
            estimated_cost: costs[place].cost,
        };
        Choice { plan: plan.clone(), summary }
    };
    order.into_iter().map(choice).collect()
}

fn candidates(asked: &Asked<'_>, indexes: &[Index]) -> Vec<Candidate> {
    let mut wanted = Wanted::default();
    wanted.add(&asked.query.filter);
    if let Some(narrowing) = asked.narrowing {
        wanted.add(narrowing);
        // That the ranges fulfil it as well says nothing of the rules.
        wanted.more = true;
    }
    let mut found = Vec::with_capacity(4);
    found.push(match asked.place {
        Place::Collection(collection) => candidate::by_id(asked, collection, &wanted),
        Place::Group(_) => candidate::collection_by_collection(asked),
    });
    let ready = || indexes.iter().filter(|index| index.state == BuildState::Ready).map(|index| &index.shape);
    found.extend(ready().filter_map(|shape| candidate::by_index(asked, shape, &wanted)));
    found.extend(candidate::by_union(asked, &ready().collect::<Vec<_>>(), &wanted));
    for candidate in &mut found {
        candidate.plan.serve(asked);
    }
    found
}

impl Plan {
    fn nothing() -> Self {
        Self { scans: Vec::new(), order: PlanOrder::Other, repeats: false, exact: false, covered: false }
    }

    /// Begins where the cursor stands, or forgets the order where nobody asks for it.
    fn serve(&mut self, asked: &Asked<'_>) {
        match (asked.goal, &asked.query.after) {
            (Goal::All, _) => {
                self.order = PlanOrder::Other;
                let multikey = |scan: &Scan| scan.index.as_ref().is_some_and(|index| index.is_multikey());
                self.repeats |= self.scans.iter().any(multikey);
            }
            (Goal::Page, Some(after)) => self.begin_after(after, asked),
            (Goal::Page, None) => {}
        }
    }

    /// The one scan whose entries alone say all values of a field: they are all that matches, and the field
    /// comes right behind what has one value in all of them. With the place of the field in the index, and
    /// the bytes before it in a key.
    pub(crate) fn values_of(&self, field: &str) -> Option<(&Scan, usize, usize)> {
        let [scan] = self.scans.as_slice() else { return None };
        let shape = scan.index.as_ref().filter(|_| self.exact && self.covered)?;
        let place = scan.prefix.fields;
        let is_next = shape.fields.get(place).is_some_and(|next| next.path == field);
        is_next.then_some((scan, place, scan.prefix.key.len()))
    }

    /// The names of the indexes.
    pub(crate) fn index_name(&self) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        for shape in self.scans.iter().filter_map(|scan| scan.index.as_ref()) {
            if !names.contains(&shape.name.as_str()) {
                names.push(&shape.name);
            }
        }
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// The fields that an index for this query would have.
pub(crate) fn suggestion(query: &Query) -> String {
    let mut wanted = Wanted::default();
    wanted.add(&query.filter);
    let mut fields: Vec<(&str, Order)> = Vec::new();
    let mut add = |path, order| {
        if path != "_id" && !fields.iter().any(|(known, _)| *known == path) {
            fields.push((path, order));
        }
    };
    for (path, condition) in &wanted.conditions {
        if matches!(condition, Condition::Equal(_) | Condition::In(_)) {
            add(path, Order::Ascending);
        }
    }
    query.sort.fields.iter().for_each(|field| add(&field.path, field.order));
    for (path, condition) in &wanted.conditions {
        if matches!(condition, Condition::Compare(..)) {
            add(path, Order::Ascending);
        }
    }
    let field = |(path, order): &(&str, Order)| {
        format!("{{\"path\": \"{path}\", \"order\": {}}}", if *order == Order::Ascending { 1 } else { -1 })
    };
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}
