//! A live query: its result first, then what enters, changes within, and leaves. While the result is read, its
//! ids are kept with their versions, so that a change that the result already had is not told again; once
//! every change up to there was handed out, the query becomes part of an audience, which keeps the result
//! for all of it. Whatever could make the result another one at once (new rules, other claims, a dropped
//! collection, a reader that is too slow) begins it again, after `resync`.

use super::audience::TOO_EXPENSIVE;
use super::event::{self, LiveChange, Show};
use super::shared::SharedQuery;
use super::subscriber::{Outcome, Subscriber};
use super::{Live, follow, now};
use crate::limit::Limit;
use crate::scope::Scope;
use bundoc::engine::{ChangePosition, CollectionName, FindRequest, Page, Sight};
use bundoc::error::EngineError;
use service_kit::error::ApiError;
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Documents that are read at once.
const PAGE: usize = 500;

/// What makes a subscription one to a query.
pub(super) struct LiveQuery {
    pub(super) shared: Arc<SharedQuery>,
    pub(super) documents_max: usize,
    progress: Mutex<Progress>,
    /// The documents of the result, and up to where in the feed each is known.
    result: Mutex<HashMap<Box<str>, ChangePosition>>,
    again: Notify,
}

/// How far a result is read.
#[derive(Default)]
struct Progress {
    /// How often it was begun again.
    begun: u64,
    /// The commit that all of it is known up to at least, once it was read.
    loaded_at: Option<u64>,
}

impl LiveQuery {
    pub(super) fn new(shared: Arc<SharedQuery>, documents_max: usize) -> Self {
        Self {
            shared,
            documents_max,
            progress: Mutex::default(),
            result: Mutex::default(),
            again: Notify::new(),
        }
    }

    /// Has the result sent again.
    pub(super) fn restart(&self) {
        let mut progress = self.progress();
        progress.begun += 1;
        progress.loaded_at = None;
        drop(progress);
        self.again.notify_one();
    }

    /// Whether its result is that of `position`, where every change up to there was handed to it.
    pub(super) fn is_known_at(&self, position: ChangePosition) -> bool {
        self.loaded_at().is_some_and(|commit| ChangePosition { commit, index: u32::MAX } <= position)
    }

    fn loaded_at(&self) -> Option<u64> {
        self.progress().loaded_at
    }

    /// Gives its result to an audience.
    pub(super) fn take_result(&self) -> HashMap<Box<str>, ChangePosition> {
        std::mem::take(&mut *self.result())
    }

    /// Notes that the result was read, unless it was begun again since `begun`.
    fn loaded(&self, begun: u64, commit: u64) {
        let mut progress = self.progress();
        if progress.begun == begun {
            progress.loaded_at = Some(commit);
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
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
        let filter = self.shared.filter.clone();
        let work = move || {
            let fields = bson::doc! { "_id": 1 };
            let mut request = FindRequest { filter, fields, limit: PAGE, ..FindRequest::default() };
            let mut found = 0;
            loop {
                let page = engine.find(&database, &collection, &request, &actor)?;
                found += page.documents.len();
                match page.next_cursor {
                    Some(cursor) if found <= max => request.cursor = Some(cursor),
                    _ => return Ok(found),
                }
            }
        };
        match live.gate.run(&scope.project, work).await.map_err(|refused| refused.answer())? {
            Ok(found) if found > max => {
                let message = format!("a live query has {max} documents at the most: ask for less");
                Err(Limit::LiveQueryDocuments.refusal(message))
            }
            found => Ok(found.map(drop)),
        }
    }

    /// What a change is to the result.
    pub(super) fn outcome(&self, change: &LiveChange, sight: Sight) -> Outcome {
        let (id, position) = (change.document_id(), change.change.position);
        let document = change.document().filter(|_| sight.after && change.matches(&self.shared));
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
        Outcome::Send(change.event_for(&self.shared, show))
    }

    fn result(&self) -> MutexGuard<'_, HashMap<Box<str>, ChangePosition>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the result and what changes in it until nobody reads any more.
pub(super) async fn run(live: Arc<Live>, subscriber: Arc<Subscriber>, project: ProjectId) {
    let Some(query) = &subscriber.query else { return };
    let connected = event::connected(&project, subscriber.collection.as_str(), None);
    let mut opening = Some(connected);
    loop {
        let (position, begun) = (now(&*live.engine), query.progress().begun);
        let opening = opening.take().unwrap_or_else(|| event::resync(&subscriber.feed.epoch(), position));
        subscriber.outbox.replace(opening);
        let sent = async {
            load(&live, &subscriber, query, &project).await?;
            query.loaded(begun, live.last_commit());
            follow::follow(&live, &subscriber, position).await
        };
        if let Err(reason) = sent.await {
            return live.close(&subscriber, reason);
        }
        subscriber.feed.nudge();
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
    let filter = query.shared.filter.clone();
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
            let shown = query.shared.matcher.shown(&stored.document).map_err(|_| "unavailable")?;
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
        Ok(Err(EngineError::QueryTooExpensive { .. })) => Err(TOO_EXPENSIVE),
        Ok(Err(_)) | Err(_) => Err("unavailable"),
    }
}
