//! A live query: its result first, then what enters, changes within, and leaves. The ids of the result are
//! kept with their versions, so that a change that the result already had is not told again. Whatever
//! could make the result another one at once (new rules, other claims, a dropped collection, a reader that
//! is too slow) begins it again, after `resync`.

use super::event::{self, LiveChange, Show};
use super::subscriber::{Outcome, Subscriber};
use super::{Live, follow, now};
use crate::scope::Scope;
use bson::Document;
use bundoc::Matcher;
use bundoc::engine::{ChangePosition, CollectionName, FindRequest, Page, Sight};
use bundoc::error::EngineError;
use service_kit::error::ApiError;
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Documents that are read at once.
const PAGE: usize = 500;
/// Why a live query ends whose result became too large.
const TOO_EXPENSIVE: &str = "query_too_expensive";

/// What makes a subscription one to a query.
pub(super) struct LiveQuery {
    matcher: Matcher,
    filter: Document,
    documents_max: usize,
    /// The documents of the result, and up to where in the feed each is known.
    result: Mutex<HashMap<Box<str>, ChangePosition>>,
    again: Notify,
}

impl LiveQuery {
    pub(super) fn new(matcher: Matcher, filter: Document, documents_max: usize) -> Self {
        Self { matcher, filter, documents_max, result: Mutex::default(), again: Notify::new() }
    }

    /// Has the result sent again.
    pub(super) fn restart(&self) {
        self.again.notify_one();
    }

    /// Whether the query can be answered at all: it is one, may be asked, and its result is not too large.
    pub(super) async fn probe(
        &self,
        live: &Live,
        scope: &Scope,
        collection: &CollectionName,
    ) -> Result<Result<(), EngineError>, ApiError> {
        let (engine, max) = (live.engine.clone(), self.documents_max);
        let (database, collection, actor) = (scope.database.clone(), collection.clone(), scope.actor.clone());
        let filter = self.filter.clone();
        let work = move || {
            let fields = bson::doc! { "_id": 1 };
            let mut request = FindRequest { filter, fields, limit: PAGE, ..FindRequest::default() };
            let mut found = 0;
            loop {
                let page = engine.find(&database, &collection, &request, &actor)?;
                found += page.documents.len();
                if found > max {
                    return Err(too_large(max));
                }
                match page.next_cursor {
                    Some(cursor) => request.cursor = Some(cursor),
                    None => return Ok(()),
                }
            }
        };
        live.gate.run(&scope.project, work).await.map_err(|refused| refused.answer())
    }

    /// What a change is to the result.
    pub(super) fn outcome(&self, change: &LiveChange, sight: Sight) -> Outcome {
        let (id, position) = (change.document_id(), change.change.position);
        let document = change.document().filter(|document| sight.after && self.matcher.matches(document));
        let mut result = self.result();
        let known = result.get(id).copied();
        if known.is_some_and(|known| known >= position) {
            return Outcome::Nothing;
        }
        let show = match (document, known) {
            (Some(_), None) if result.len() >= self.documents_max => return Outcome::Close(TOO_EXPENSIVE),
            (Some(_), None) => Show::Added,
            (Some(_), Some(_)) => Show::Modified,
            (None, Some(_)) => Show::Removed,
            (None, None) => return Outcome::Nothing,
        };
        match document {
            Some(_) => drop(result.insert(id.into(), position)),
            None => drop(result.remove(id)),
        }
        drop(result);
        Outcome::Send(self.event(change, show))
    }

    fn event(&self, change: &LiveChange, show: Show) -> bytes::Bytes {
        let document = change.document().filter(|_| show != Show::Removed);
        match document.map(|document| self.matcher.shown(document)) {
            Some(Ok(Some(shown))) => {
                event::change(Some(&change.id), show, (change.document_id(), Some(&shown)))
            }
            _ => change.event(show),
        }
    }

    fn result(&self) -> MutexGuard<'_, HashMap<Box<str>, ChangePosition>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_large(max: usize) -> EngineError {
    EngineError::QueryTooExpensive(format!("a live query has {max} documents at the most: ask for less"))
}

/// Sends the result and what changes in it until nobody reads any more.
pub(super) async fn run(live: Arc<Live>, subscriber: Arc<Subscriber>, project: ProjectId) {
    let Some(query) = &subscriber.query else { return };
    let connected = event::connected(&project, subscriber.collection.as_str(), None);
    let mut opening = Some(connected);
    loop {
        let position = now(&*live.engine);
        let opening = opening.take().unwrap_or_else(|| event::resync(&subscriber.feed.epoch(), position));
        subscriber.outbox.replace(opening);
        let sent = async {
            load(&live, &subscriber, query, &project).await?;
            follow::follow(&live, &subscriber, position).await
        };
        if let Err(reason) = sent.await {
            return live.close(&subscriber, reason);
        }
        tokio::select! {
            () = query.again.notified() => {}
            () = subscriber.outbox.closed() => return,
        }
        subscriber.feed.leave(&subscriber);
        query.result().clear();
    }
}

async fn load(
    live: &Live,
    subscriber: &Subscriber,
    query: &LiveQuery,
    project: &ProjectId,
) -> Result<(), &'static str> {
    let filter = query.filter.clone();
    let mut request = FindRequest { filter, limit: PAGE, ..FindRequest::default() };
    loop {
        let page = page(live, subscriber, project, &request).await?;
        for stored in &page.documents {
            let id = stored.document.get_str("_id").unwrap_or_default();
            if query.result().len() >= query.documents_max {
                return Err(TOO_EXPENSIVE);
            }
            let known = ChangePosition { commit: stored.version, index: u32::MAX };
            query.result().insert(id.into(), known);
            let shown = query.matcher.shown(&stored.document).map_err(|_| "unavailable")?;
            let document = shown.as_ref().unwrap_or(&stored.document);
            let added = event::change(None, Show::Added, (id, Some(document)));
            // Nobody reads any more: the caller sees it.
            if subscriber.outbox.send(added).await.is_err() {
                return Ok(());
            }
        }
        match page.next_cursor {
            Some(cursor) => request.cursor = Some(cursor),
            None => break,
        }
    }
    // The same.
    let _gone = subscriber.outbox.send(event::ready()).await;
    Ok(())
}

async fn page(
    live: &Live,
    subscriber: &Subscriber,
    project: &ProjectId,
    request: &FindRequest,
) -> Result<Page, &'static str> {
    let (engine, request, actor) = (live.engine.clone(), request.clone(), subscriber.actor());
    let (feed, collection) = (subscriber.feed.clone(), subscriber.collection.clone());
    let find = move || engine.find(feed.database(), &collection, &request, &actor);
    match live.gate.run(project, find).await {
        Ok(Ok(page)) => Ok(page),
        Ok(Err(EngineError::Denied { .. })) => Err("revoked"),
        Ok(Err(EngineError::QueryTooExpensive(_))) => Err(TOO_EXPENSIVE),
        Ok(Err(_)) | Err(_) => Err("unavailable"),
    }
}
