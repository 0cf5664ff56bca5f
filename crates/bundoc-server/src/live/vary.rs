//! Rules that look at other documents or at the time change their mind though no document of the collection
//! changes. They are asked again every few seconds, where they can have: a live query gets the documents
//! that came and went, whoever subscribes to the collection itself is told to read again.

use super::Live;
use super::event::{self, Show};
use super::feed::{Feed, State};
use super::room::{Group, Told};
use super::shared::SharedQuery;
use super::subscriber::ViewerKey;
use bson::{Bson, Document, doc};
use bundoc::engine::{
    Actor, ChangePosition, CollectionName, DatabaseName, Engine, Extent, FindRequest, Listing,
    StoredDocument, Varies,
};
use bundoc::error::EngineError;
use bytes::Bytes;
use service_kit::ids::ProjectId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Seconds between two times. What is seen within 5 s needs time to be found.
pub(super) const EVERY_SECONDS: u64 = 2;
/// Times that a group is looked at while documents change under the look.
const LOOKS_MAX: usize = 5;
/// Documents that are read at once.
const PAGE: usize = 500;

/// Who is asked about.
enum Subject {
    Audience { number: u32, query: Arc<SharedQuery> },
    Group(ViewerKey),
}

/// What is asked again.
struct Question {
    collection: CollectionName,
    subject: Subject,
    actor: Actor,
    listing: Listing,
}

/// What the rule says now.
struct Answer {
    listing: Listing,
    view: View,
}

/// What may be seen now.
enum View {
    /// Of every document the same as before.
    Same,
    /// Something else, and not by single documents; or too much to look at.
    Other,
    /// These documents, with their versions.
    Found(HashMap<Box<str>, u64>),
}

/// Asks again for everybody in a feed; not while somebody does.
pub(super) async fn run(live: Arc<Live>, project: ProjectId, feed: Arc<Feed>) {
    if !feed.begin_asking() {
        return;
    }
    for question in questions(&feed) {
        if let Err(error) = ask(&live, &project, &feed, &question).await {
            // Busy or about to stop: it is asked again next time.
            tracing::debug!(%error, "a rule could not be asked again");
        }
    }
    feed.asking.store(false, Ordering::Release);
}

/// What may have become something else since it was asked.
fn questions(feed: &Feed) -> Vec<Question> {
    let last_change = feed.last_change();
    let due = |listing: &Listing, asked_at: u64| match listing.varies {
        Varies::No => false,
        Varies::WithDocuments => last_change > asked_at,
        Varies::WithTime => true,
    };
    let state = feed.lock();
    let mut questions = Vec::new();
    for (collection, room) in &state.rooms {
        for (key, group) in &room.groups {
            if due(&group.listing, group.asked_at)
                && group.members.values().any(|one| one.subscriber.query.is_none())
            {
                let (subject, actor) = (Subject::Group(key.clone()), group.actor.clone());
                let listing = group.listing.clone();
                questions.push(Question { collection: collection.clone(), subject, actor, listing });
            }
        }
        for (number, audience) in room.audiences.varying() {
            if due(&audience.listing, audience.asked_at) {
                let subject = Subject::Audience { number, query: audience.query.clone() };
                let (actor, listing) = (audience.actor.clone(), audience.listing.clone());
                questions.push(Question { collection: collection.clone(), subject, actor, listing });
            }
        }
    }
    questions
}

async fn ask(
    live: &Arc<Live>,
    project: &ProjectId,
    feed: &Arc<Feed>,
    question: &Question,
) -> Result<(), EngineError> {
    match &question.subject {
        Subject::Group(key) => ask_for_group(live, project, feed, (question, key)).await,
        Subject::Audience { number, query } => {
            let begun = feed.now();
            let answer = answer(live, project, feed, question).await?;
            let came = take_away(feed, question, *number, &answer.view, begun);
            for ids in came.chunks(PAGE) {
                let begun = feed.now();
                let found = fetch(live, project, feed, question, ids).await?;
                show(feed, question, (*number, query), &found, begun);
            }
            Ok(())
        }
    }
}

/// Has a group read again whose view is not what it was told. A document that changes during the look may
/// be in one of both and not in the other, so a difference counts only where nothing changed, or always did.
async fn ask_for_group(
    live: &Live,
    project: &ProjectId,
    feed: &Arc<Feed>,
    (question, key): (&Question, &ViewerKey),
) -> Result<(), EngineError> {
    for look in 1..=LOOKS_MAX {
        let begun = feed.now();
        let answer = answer(live, project, feed, question).await?;
        let mut state = feed.lock();
        let Some(group) = state.group_mut(&question.collection, key) else { break };
        let told = told(&answer.view, group);
        let same = match group.told {
            Some(before) => Some(before) == told,
            // Nothing was looked at before: what happened since it subscribed may have changed it.
            None => matches!(answer.view, View::Same) || feed.last_change() <= group.asked_at,
        };
        if same || group.changed_at <= begun || look == LOOKS_MAX {
            (group.listing, group.told, group.asked_at) = (answer.listing, told, begun.commit);
            if !same {
                group.resync(begun);
            }
            break;
        }
    }
    Ok(())
}

/// What a group is told from now on.
fn told(view: &View, group: &Group) -> Option<Told> {
    match view {
        View::Same => group.told,
        View::Other => None,
        View::Found(found) => {
            let mut told = Told::default();
            found.keys().for_each(|id| told.add(id));
            Some(told)
        }
    }
}

/// Takes away what an audience does not see any more; what it sees now and did not.
fn take_away(
    feed: &Feed,
    question: &Question,
    number: u32,
    view: &View,
    begun: ChangePosition,
) -> Vec<Box<str>> {
    let mut state = feed.lock();
    let changed = owned(state.changed_after(&question.collection, begun));
    let position = state.position;
    let Some(room) = state.rooms.get_mut(&question.collection) else { return Vec::new() };
    let audiences = &mut room.audiences;
    let Some(audience) = audiences.get_mut(number) else { return Vec::new() };
    audience.asked_at = begun.commit;
    let (found, changed) = match (view, changed) {
        (View::Same, _) => return Vec::new(),
        (View::Found(found), Some(changed)) => (found, changed),
        (View::Found(_), None) | (View::Other, _) => {
            audiences.restart_one(number);
            return Vec::new();
        }
    };
    let held: HashSet<Box<str>> = audiences.held_by(number).into_iter().collect();
    for id in held.iter().filter(|id| !found.contains_key(*id) && !changed.contains(*id)) {
        audiences.take_away(number, id);
    }
    let came = found.iter().filter(|(id, version)| {
        // What was not handed out yet comes by itself.
        **version <= position.commit && !held.contains(*id) && !changed.contains(*id)
    });
    came.map(|(id, _)| id.clone()).collect()
}

fn show(
    feed: &Feed,
    question: &Question,
    (number, query): (u32, &SharedQuery),
    found: &[StoredDocument],
    begun: ChangePosition,
) {
    let mut state = feed.lock();
    // Where that is not known any more, those that changed were handed out; the others come next time.
    let Some(changed) = owned(state.changed_after(&question.collection, begun)) else { return };
    let position = state.position;
    let Some(room) = state.rooms.get_mut(&question.collection) else { return };
    for stored in found.iter().filter(|stored| stored.version <= position.commit) {
        let id = stored.document.get_str("_id").unwrap_or_default();
        if !changed.contains(id) {
            room.audiences.show(number, id, &added(query, id, stored));
        }
    }
}

fn added(query: &SharedQuery, id: &str, stored: &StoredDocument) -> Bytes {
    let shown = query.matcher.shown(&stored.document).ok().flatten();
    event::change(None, Show::Added, (id, Some(shown.as_ref().unwrap_or(&stored.document))))
}

fn owned(ids: Option<HashSet<&str>>) -> Option<HashSet<Box<str>>> {
    ids.map(|ids| ids.into_iter().map(Into::into).collect())
}

/// Asks the rule about everything that it may let see.
async fn answer(
    live: &Live,
    project: &ProjectId,
    feed: &Arc<Feed>,
    question: &Question,
) -> Result<Answer, EngineError> {
    let Question { collection, subject, actor, listing } = question;
    let filter = match subject {
        Subject::Audience { query, .. } => query.filter.clone(),
        Subject::Group(_) => Document::new(),
    };
    let (engine, max) = (live.engine.clone(), live.config.live_query_documents_max);
    let (feed, collection, actor, before) =
        (feed.clone(), collection.clone(), actor.clone(), listing.extent.clone());
    let work = move || {
        let listing = engine.listing(feed.database(), &collection, &actor)?;
        let view = match (&before, &listing.extent) {
            (Extent::Everything, Extent::Everything) | (Extent::Nothing, Extent::Nothing) => View::Same,
            (Extent::Documents { .. }, Extent::Documents { .. } | Extent::Nothing)
            | (Extent::Nothing, Extent::Documents { .. }) => {
                let fields = doc! { "_id": 1 };
                let request = FindRequest { filter, fields, limit: PAGE, ..FindRequest::default() };
                look(&*engine, (feed.database(), &collection), request, (&actor, max))?
            }
            _ => View::Other,
        };
        Ok(Answer { listing, view })
    };
    live.gate.run(project, work).await.unwrap_or(Err(EngineError::Busy))
}

/// All that a query finds, up to `max` documents.
fn look(
    engine: &dyn Engine,
    (database, collection): (&DatabaseName, &CollectionName),
    mut request: FindRequest,
    (actor, max): (&Actor, usize),
) -> Result<View, EngineError> {
    let mut found = HashMap::new();
    loop {
        let page = match engine.find(database, collection, &request, actor) {
            Ok(page) => page,
            Err(EngineError::QueryTooExpensive { .. } | EngineError::Denied { .. }) => {
                return Ok(View::Other);
            }
            Err(error) => return Err(error),
        };
        for stored in &page.documents {
            found.insert(stored.document.get_str("_id").unwrap_or_default().into(), stored.version);
        }
        match page.next_cursor {
            _ if found.len() > max => return Ok(View::Other),
            Some(cursor) => request.cursor = Some(cursor),
            None => return Ok(View::Found(found)),
        }
    }
}

async fn fetch(
    live: &Live,
    project: &ProjectId,
    feed: &Arc<Feed>,
    question: &Question,
    ids: &[Box<str>],
) -> Result<Vec<StoredDocument>, EngineError> {
    let ids: Vec<Bson> = ids.iter().map(|id| Bson::String(id.to_string())).collect();
    let mut filter = vec![Bson::Document(doc! { "_id": { "$in": ids } })];
    if let Subject::Audience { query, .. } = &question.subject {
        filter.push(Bson::Document(query.filter.clone()));
    }
    let request = FindRequest { filter: doc! { "$and": filter }, limit: PAGE, ..FindRequest::default() };
    let (engine, feed) = (live.engine.clone(), feed.clone());
    let (collection, actor) = (question.collection.clone(), question.actor.clone());
    let find = move || engine.find(feed.database(), &collection, &request, &actor);
    let page = live.gate.run(project, find).await.unwrap_or(Err(EngineError::Busy))?;
    Ok(page.documents)
}

impl State {
    fn group_mut(&mut self, collection: &CollectionName, key: &ViewerKey) -> Option<&mut Group> {
        self.rooms.get_mut(collection)?.groups.get_mut(key)
    }
}
