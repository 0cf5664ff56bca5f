//! What plans are expected to cost, in about microseconds.

use super::candidate::Candidate;
use super::{Asked, Goal, Place, PlanOrder, Scan};
use crate::catalog::IndexShape;
use crate::layout::Space;
use crate::store::{KeyRange, View};
use std::sync::Arc;

/// Reading one document of a scan.
const SCANNED: f64 = 1.0;
/// Reading one entry of an index.
const ENTRY: f64 = 0.4;
/// Reading the document of an entry.
const FETCHED: f64 = 1.8;
/// Opening a range.
const RANGE: f64 = 3.0;
/// Keeping one document in a sorted tree.
const SORTED: f64 = 0.6;

/// Entries that are counted in all ranges of a plan together, and ranges that are looked into.
const DIVE_ENTRIES: u64 = 128;
const DIVE_RANGES: usize = 16;
/// The part of an index that a long range is taken for where nothing is known.
const UNKNOWN_PART: f64 = 0.3;

/// What estimates come from: a snapshot, and what is known of its indexes.
#[derive(Clone, Copy)]
pub(crate) struct Estimator<'a>(pub(crate) &'a View<'a>);

/// What is expected of a plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) examined: u64,
    pub(super) cost: f64,
}

/// The places of the candidates, the cheapest first; of equal ones first what gives the order.
pub(super) fn by_cost(candidates: &[Candidate], costs: &[Cost]) -> impl Iterator<Item = usize> + use<> {
    let mut places: Vec<usize> = (0..candidates.len()).collect();
    places.sort_by(|left, right| {
        let unordered = |place: &usize| candidates[*place].plan.order == PlanOrder::Other;
        let by_cost = costs[*left].cost.total_cmp(&costs[*right].cost);
        by_cost.then_with(|| unordered(left).cmp(&unordered(right)))
    });
    places.into_iter()
}

/// The costs of all candidates.
pub(super) fn of(asked: &Asked<'_>, candidates: &[Candidate], estimator: &Estimator<'_>) -> Vec<Cost> {
    let entries: Vec<u64> = candidates.iter().map(|candidate| estimator.entries(candidate, asked)).collect();
    // Every answer is in every plan, so that there are not more of them than the smallest has entries.
    let matching = entries.iter().copied().min().unwrap_or(0).min(asked.documents);
    candidates
        .iter()
        .zip(entries)
        .map(|(candidate, entries)| cost(asked, candidate, (entries, matching)))
        .collect()
}

fn cost(asked: &Asked<'_>, candidate: &Candidate, (entries, matching): (u64, u64)) -> Cost {
    let plan = &candidate.plan;
    let ordered = plan.order != PlanOrder::Other && asked.goal == Goal::Page;
    let examined = if ordered {
        let page = (asked.query.skip + asked.query.limit) as f64;
        let each = entries as f64 / matching.max(1) as f64;
        ((page * each).ceil() as u64).min(entries)
    } else {
        entries
    };
    let sorted = if ordered || asked.goal == Goal::All { 0 } else { matching };
    let fetched = if plan.covered { 0.0 } else { FETCHED };
    let each = |scan: &Scan| if scan.index.is_some() { ENTRY + fetched } else { SCANNED };
    let each = plan.scans.iter().map(each).reduce(f64::max).unwrap_or(SCANNED);
    let ranges = match (asked.place, plan.scans.is_empty()) {
        (Place::Group(collections), true) if !ordered => collections as f64,
        _ => plan.scans.iter().map(|scan| scan.ranges.len()).sum::<usize>() as f64,
    };
    Cost { examined, cost: ranges * RANGE + examined as f64 * each + sorted as f64 * SORTED }
}

impl Estimator<'_> {
    /// How many entries all ranges of a candidate have.
    fn entries(&self, candidate: &Candidate, asked: &Asked<'_>) -> u64 {
        if candidate.plan.scans.is_empty() {
            return asked.documents;
        }
        let scans = candidate.plan.scans.iter();
        scans
            .map(|scan| self.scan(scan, candidate.bound_fields, asked.documents))
            .fold(0, u64::saturating_add)
    }

    fn scan(&self, scan: &Scan, bound_fields: usize, documents: u64) -> u64 {
        let whole = match &scan.index {
            Some(shape) => self.whole(shape, documents),
            None => documents,
        };
        if bound_fields == 0
            && !scan.index.as_ref().is_some_and(|shape| shape.sparse || shape.partial.is_some())
        {
            return whole;
        }
        let dive = self.dive(scan);
        if dive.complete {
            return dive.entries;
        }
        let known = scan.index.as_ref().and_then(|shape| self.0.statistics().of(shape, &scan.ranges));
        let estimate = match &known {
            Some(known) => scan.ranges.iter().map(|range| known.entries_in(range)).sum(),
            None => (whole as f64 * UNKNOWN_PART) as u64,
        };
        // The ranges that were not looked into are taken to be like the others.
        let counted = dive.entries * scan.ranges.len() as u64 / dive.ranges.max(1);
        estimate.max(counted).max(dive.entries)
    }

    /// The entries of an index as a whole.
    fn whole(&self, shape: &Arc<IndexShape>, documents: u64) -> u64 {
        let known = self.0.statistics().known(shape.id);
        known.map_or(documents, |known| known.entries)
    }

    /// Counts the first entries of the first ranges.
    fn dive(&self, scan: &Scan) -> Dive {
        let space = if scan.index.is_some() { Space::Indexes } else { Space::Documents };
        let mut dive = Dive { entries: 0, ranges: 0, complete: false };
        for range in scan.ranges.iter().take(DIVE_RANGES) {
            if is_point(range) && space == Space::Documents {
                dive.entries += 1;
            } else {
                let left = (DIVE_ENTRIES - dive.entries) as usize;
                // An entry that cannot be read fails the query when it is needed.
                dive.entries += self.0.ascending(space, range.clone()).take(left).count() as u64;
            }
            dive.ranges += 1;
            if dive.entries >= DIVE_ENTRIES {
                return dive;
            }
        }
        dive.complete = scan.ranges.len() <= DIVE_RANGES;
        dive
    }
}

fn is_point(range: &KeyRange) -> bool {
    range.from == range.to
}

/// What was counted.
struct Dive {
    entries: u64,
    ranges: u64,
    complete: bool,
}
