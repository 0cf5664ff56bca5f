//! Opens a store after a crash and compares it with what was acknowledged.

use super::definer::FILLER;
use super::writer::emits;
use super::{Definitions, Documents, Size, collection, database, expiring, operations, options};
use bson::{Document, doc};
use bundoc::FjallEngine;
use bundoc::engine::{
    Actor, ChangePosition, DatabaseName, Engine, FindRequest, IndexInfo, IndexState, Outbox, Outgoing,
};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// Rounds of the definer that are looked for.
const ROUNDS_MAX: u64 = 1_000;

/// Steps that were begun and steps that were acknowledged, by actor.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    begun: HashMap<String, u64>,
    done: HashMap<String, u64>,
}

impl Progress {
    /// Takes a line such as `begin writer0 17` or `done definer 3`; anything else is not for this.
    pub(crate) fn note(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some(what), Some(actor), Some(Ok(step))) =
            (words.next(), words.next(), words.next().map(str::parse::<u64>))
        else {
            return;
        };
        let steps = match what {
            "begin" => &mut self.begun,
            "done" => &mut self.done,
            _ => return,
        };
        steps.insert(actor.to_owned(), step + 1);
    }

    /// How many steps of an actor may be there.
    pub(crate) fn possible(&self, actor: &str) -> [u64; 2] {
        [&self.done, &self.begun].map(|steps| steps.get(actor).copied().unwrap_or_default())
    }
}

/// What may be there: what the acknowledged steps of each actor left, and that with the one that was begun.
pub(crate) struct Candidates {
    pub(crate) writers: Vec<[Documents; 2]>,
    pub(crate) definer: [Definitions; 2],
}

/// What was there: which of the candidates, by writer and for the definer, and whether an index was unfinished.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Matched {
    pub(crate) writers: Vec<usize>,
    pub(crate) definer: usize,
    pub(crate) building: bool,
}

/// What has to be there, for every number of steps.
pub(crate) struct Expected {
    writers: Vec<Vec<Documents>>,
}

impl Expected {
    /// Works out all steps.
    pub(crate) fn new(size: Size) -> Self {
        let after_each = |writer: usize| {
            let mut documents = Documents::new();
            let mut states = vec![documents.clone()];
            for step in 0..size.writer_steps {
                operations(writer, step, size, &mut documents);
                states.push(documents.clone());
            }
            states
        };
        Self { writers: (0..size.writers).map(after_each).collect() }
    }

    /// What may be there after so much progress.
    pub(crate) fn candidates(&self, progress: &Progress) -> Candidates {
        let writers = self.writers.iter().enumerate().map(|(writer, states)| {
            progress.possible(&format!("writer{writer}")).map(|steps| states[steps as usize].clone())
        });
        Candidates {
            writers: writers.collect(),
            definer: progress.possible("definer").map(Definitions::after),
        }
    }
}

/// What is in the collection of the writers, by writer.
fn stored(engine: &FjallEngine) -> BTreeMap<usize, Documents> {
    let mut found: BTreeMap<usize, Documents> = BTreeMap::new();
    let mut request = FindRequest { limit: 1_000, ..FindRequest::default() };
    loop {
        let page = engine.find(&database(), &collection(), &request, &Actor::Trusted).unwrap();
        for stored in &page.documents {
            let document = Document::try_from(&stored.document).unwrap();
            let writer = document.get_i64("writer").unwrap() as usize;
            let id = document.get_str("_id").unwrap().to_owned();
            found.entry(writer).or_default().insert(id, Arc::new(document));
        }
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => return found,
        }
    }
}

/// The payloads of a writer's events, in order.
fn emitted(engine: &FjallEngine, writer: usize) -> Vec<i64> {
    let mut found = Vec::new();
    let mut after = ChangePosition::default();
    loop {
        let entries = engine.outbox(&database(), Outbox::Events, after, 1_000).unwrap();
        let Some(last) = entries.last() else { return found };
        after = last.position;
        found.extend(entries.iter().filter_map(|entry| match &entry.outgoing {
            Outgoing::Event { topic, payload } if *topic == format!("writer{writer}") => payload.as_i64(),
            _ => None,
        }));
    }
}

/// The indexes of a database, of collections and of groups.
fn indexes(engine: &FjallEngine, database: &DatabaseName) -> Vec<(String, String, String)> {
    let named = |owner: &str, index: &IndexInfo| (database.to_string(), owner.to_owned(), index.name.clone());
    let groups = engine.group_indexes(database).unwrap();
    let mut found: Vec<_> = groups.iter().map(|group| named(group.pattern.as_str(), &group.index)).collect();
    for info in engine.collections(database, "").unwrap() {
        found.extend(info.indexes.iter().map(|index| named(info.name.as_str(), index)));
    }
    found
}

fn defined(engine: &FjallEngine, filled: usize) -> Definitions {
    let mut found = Definitions { filled, ..Definitions::default() };
    found.indexes.extend(indexes(engine, &database()));
    for round in 0..ROUNDS_MAX {
        let side = DatabaseName::parse(&format!("side{round}")).unwrap();
        found.indexes.extend(indexes(engine, &side));
        for info in engine.collections(&side, "").unwrap() {
            let key = (side.to_string(), info.name.to_string());
            found.collections.insert(key, (info.rules.read, info.documents));
        }
    }
    let kept = engine.count(&database(), &expiring(), &doc! {"kept": true}, &Actor::Trusted).unwrap();
    found.kept = kept as usize;
    found
}

/// What differs, in few words.
fn difference(expected: &Documents, found: &Documents) -> String {
    let missing = expected.keys().filter(|id| !found.contains_key(*id)).count();
    let extra = found.keys().filter(|id| !expected.contains_key(*id)).count();
    let other = expected.iter().filter(|(id, document)| found.get(*id).is_some_and(|own| own != *document));
    format!("{missing} missing, {extra} too many, {} other", other.count())
}

/// Opens the store in `path`: every acknowledged step has to be there, the one that was begun in whole or not
/// at all, nothing else, and the store has to agree with itself.
pub(crate) fn verify(path: &Path, candidates: &Candidates) -> Result<Matched, String> {
    let (engine, report) =
        FjallEngine::open(path, options()).map_err(|error| format!("it does not open: {error:?}"))?;
    let building = engine.collection(&database(), &collection()).unwrap().is_some_and(|info| {
        info.indexes.iter().any(|index| matches!(index.state, IndexState::Building { .. }))
    });
    if let Some(lost) = report.lost {
        return Err(format!("commits {lost:?} are reported as lost"));
    }
    let checked = engine.check().map_err(|error| format!("it cannot be read: {error:?}"))?;
    if checked.problems_found > 0 {
        return Err(format!("it does not agree with itself: {:?}", checked.problems));
    }
    let mut found = stored(&engine);
    let filled = found.remove(&FILLER).unwrap_or_default().len();
    let definitions = defined(&engine, filled);
    let definer = candidates.definer.iter().position(|candidate| *candidate == definitions);
    let definer = definer.ok_or_else(|| format!("{definitions:?} is not one of {:?}", candidates.definer))?;
    let mut writers = Vec::new();
    for (writer, candidates) in candidates.writers.iter().enumerate() {
        let own = found.remove(&writer).unwrap_or_default();
        let matched = candidates.iter().position(|candidate| *candidate == own);
        writers.push(matched.ok_or_else(|| {
            let differs = candidates.each_ref().map(|candidate| difference(candidate, &own));
            format!("writer {writer}: {differs:?}")
        })?);
        let emitted = emitted(&engine, writer);
        let steps = own.get(&format!("k{writer}")).map_or(0, |count| count.get_i64("step").unwrap() + 1);
        let expected = (0..steps).filter(|step| emits(*step as u64));
        if !emitted.iter().copied().eq(expected) {
            return Err(format!("writer {writer} after {steps} steps has the events {emitted:?}"));
        }
    }
    Ok(Matched { writers, definer, building })
}
