//! Live documents: subscriptions to a collection or a query, fed from the engine's change feed. One reader
//! for each project that has subscribers hands every change to all of them; a subscriber is an outbox with
//! a bound, and one that does not keep up is told to read again. Rules are those of lists, as they are when
//! the change is handed out; those that look at more than the document are asked again every few seconds.
//!
//! What must hold: after the id of `connected`, or of the last event that a subscriber got, every change that
//! it may see is sent once, also after a reconnection or a restart; or it is told `resync`. Nothing of a
//! document that a subscriber may not list is sent, its id included.

mod audience;
mod equalities;
mod event;
mod feed;
mod follow;
mod position;
mod query;
mod room;
mod shared;
mod standing;
mod subscriber;
mod vary;

use crate::config::DocumentsConfig;
use crate::error;
use crate::gate::Gate;
use crate::limit::Limit;
use crate::scope::{Scope, visible_to};
use axum::response::Response;
use bundoc::Matcher;
use bundoc::engine::{ChangePosition, CollectionName, Engine, FindRequest};
use bundoc::error::EngineError;
use feed::{Feed, Reading};
use query::LiveQuery;
use routes::Standing;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use service_kit::sse::Outbox;
use shared::{NewQuery, TooManyPatterns};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subscriber::{Subscriber, Viewer};
use tokio::sync::Semaphore;

pub(crate) use event::Show;
pub(crate) use position::event_id;

/// Subscribers that read the feed for themselves at the same time, to catch up.
const CATCHING_UP_MAX: usize = 4;
/// When to come back after a limit of subscriptions: some may have ended by then.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why the streams end when the server does.
const SHUTTING_DOWN: &str = "shutting_down";

/// All subscriptions.
pub(crate) struct Live {
    engine: Arc<dyn Engine>,
    gate: Arc<Gate>,
    config: DocumentsConfig,
    catching_up: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ended: bool,
    last_number: u64,
    subscribers: HashMap<u64, Arc<Subscriber>>,
    projects: HashMap<ProjectId, Project>,
    subscriptions: usize,
}

/// What one project has open.
struct Project {
    feed: Arc<Feed>,
    _reading: Reading,
    subscriptions: usize,
    queries: usize,
}

/// Which kind of subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Collection,
    Query,
}

/// The place of one subscription; given back when it is dropped, which ends the subscription.
struct Ticket {
    live: Arc<Live>,
    project: ProjectId,
    number: u64,
    kind: Kind,
}

/// Who subscribes to what.
pub(crate) struct Wish {
    pub(crate) scope: Scope,
    pub(crate) collection: CollectionName,
    pub(crate) standing: Standing,
}

impl Live {
    /// No subscriptions yet. Needs a runtime: one task shows to all of them that they live, and asks
    /// whether they may still be there.
    pub(crate) fn start(config: &DocumentsConfig, engine: Arc<dyn Engine>, gate: Arc<Gate>) -> Arc<Self> {
        let live = Arc::new(Self {
            engine,
            gate,
            config: config.clone(),
            catching_up: Semaphore::new(CATCHING_UP_MAX),
            state: Mutex::default(),
        });
        tokio::spawn(standing::run(Arc::downgrade(&live)));
        live
    }

    /// Subscribes to a collection: from now, or from after the event with this id.
    pub(crate) fn collection(
        self: &Arc<Self>,
        wish: Wish,
        last_event_id: Option<&str>,
    ) -> Result<Response, ApiError> {
        let Wish { scope, collection, standing } = wish;
        if !self.engine.may_list(&scope.database, &collection, &scope.actor) {
            return Err(error::engine(EngineError::Denied { collection: collection.to_string() }));
        }
        let (ticket, feed) = self.enter(&scope, Kind::Collection)?;
        let number = ticket.number;
        let (outbox, response) = Outbox::open(self.config.outbox(), ticket);
        let viewer = Viewer::new(scope.actor);
        let subscriber = Subscriber { number, collection, feed, outbox, standing, viewer, query: None };
        let subscriber = self.register(subscriber);
        match last_event_id {
            None => subscriber.feed.join_now(&subscriber, &scope.project),
            Some(id) => {
                let known = position::parse(id, &self.epoch(&subscriber), self.last_commit());
                let from = known.unwrap_or_else(|| subscriber.feed.now());
                subscriber.connected(&scope.project, from);
                if known.is_none() {
                    subscriber.resync(from);
                }
                tokio::spawn(self.clone().catch_up(subscriber, from));
            }
        }
        Ok(response)
    }

    async fn catch_up(self: Arc<Self>, subscriber: Arc<Subscriber>, from: ChangePosition) {
        if let Err(reason) = follow::follow(&self, &subscriber, from).await {
            self.close(&subscriber, reason);
        }
    }

    /// Subscribes to a query: its result, and then what changes in it.
    pub(crate) async fn query(
        self: &Arc<Self>,
        wish: Wish,
        request: FindRequest,
    ) -> Result<Response, ApiError> {
        let Wish { scope, collection, standing } = wish;
        let matcher = Matcher::new(request.filter.clone(), request.fields.clone()).map_err(error::engine)?;
        let (ticket, feed) = self.enter(&scope, Kind::Query)?;
        let FindRequest { filter, fields, .. } = request;
        let most = self.config.live_query_patterns_per_project_max;
        let shared = feed.share(&collection, NewQuery { matcher, filter, fields }, most);
        let shared = shared.map_err(|TooManyPatterns { held }| {
            too_many(Limit::LiveQueryPatternsPerProject, ("regular expressions in live queries", held))
        })?;
        let query = LiveQuery::new(shared, self.config.live_query_documents_max);
        let denied = |failed| error::engine(visible_to(&scope.actor, failed));
        query.probe(self, &scope, &collection).await?.map_err(denied)?;
        let number = ticket.number;
        let (outbox, response) = Outbox::open(self.config.outbox(), ticket);
        let viewer = Viewer::new(scope.actor);
        let query = Some(query);
        let subscriber = Subscriber { number, collection, feed, outbox, standing, viewer, query };
        let subscriber = self.register(subscriber);
        tokio::spawn(query::run(self.clone(), subscriber, scope.project));
        Ok(response)
    }

    /// Ends the subscriptions of a project whose documents are gone.
    pub(crate) fn purged(&self, project: &ProjectId) {
        let state = self.lock();
        let Some(feed) = state.projects.get(project).map(|project| project.feed.clone()) else { return };
        let of_project = state.subscribers.values().filter(|one| Arc::ptr_eq(&one.feed, &feed));
        let of_project: Vec<_> = of_project.cloned().collect();
        drop(state);
        for subscriber in of_project {
            subscriber.resync(feed.now());
            self.close(&subscriber, "project_deleted");
        }
    }

    /// Ends all subscriptions, and takes no more.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let all: Vec<_> = state.subscribers.values().cloned().collect();
        drop(state);
        for subscriber in all {
            self.close(&subscriber, SHUTTING_DOWN);
        }
    }

    /// Ends the subscriptions of a feed that cannot be read.
    fn failed(&self, feed: &Arc<Feed>, reason: &'static str) {
        for subscriber in self.all().into_iter().filter(|one| Arc::ptr_eq(&one.feed, feed)) {
            self.close(&subscriber, reason);
        }
    }

    /// How many projects have subscriptions.
    pub(crate) fn projects(&self) -> usize {
        self.lock().projects.len()
    }

    /// Subscriptions of a project, and live queries among them.
    pub(crate) fn open_of(&self, project: &ProjectId) -> (usize, usize) {
        self.lock().projects.get(project).map_or((0, 0), |open| (open.subscriptions, open.queries))
    }

    fn close(&self, subscriber: &Arc<Subscriber>, reason: &str) {
        subscriber.outbox.end(event::close(reason));
        subscriber.feed.leave(subscriber);
    }

    /// The projects that have subscribers.
    fn feeds(&self) -> Vec<(ProjectId, Arc<Feed>)> {
        self.lock().projects.iter().map(|(project, one)| (project.clone(), one.feed.clone())).collect()
    }

    fn all(&self) -> Vec<Arc<Subscriber>> {
        self.lock().subscribers.values().cloned().collect()
    }

    fn enter(self: &Arc<Self>, scope: &Scope, kind: Kind) -> Result<(Ticket, Arc<Feed>), ApiError> {
        let mut state = self.lock();
        if state.ended {
            return Err(ApiError::new(ErrorCode::ShuttingDown, "the server is shutting down"));
        }
        if state.subscriptions >= self.config.subscriptions_max {
            let message = "the server has as many subscriptions as it may, try again";
            return Err(Limit::Subscriptions.refusal(message).retry_after(RETRY_AFTER));
        }
        let project = state.projects.get(&scope.project);
        let (subscriptions, queries) =
            project.map_or((0, 0), |project| (project.subscriptions, project.queries));
        if subscriptions >= self.config.subscriptions_per_project_max {
            return Err(too_many(Limit::SubscriptionsPerProject, ("subscriptions", subscriptions)));
        }
        if kind == Kind::Query && queries >= self.config.live_queries_per_project_max {
            return Err(too_many(Limit::LiveQueriesPerProject, ("live queries", queries)));
        }
        let feed = self.counted(&mut state, scope, kind);
        state.last_number += 1;
        let (live, project, number) = (self.clone(), scope.project.clone(), state.last_number);
        Ok((Ticket { live, project, number, kind }, feed))
    }

    /// Counts a subscription; the first of a project begins to read its feed.
    fn counted(self: &Arc<Self>, state: &mut State, scope: &Scope, kind: Kind) -> Arc<Feed> {
        state.subscriptions += 1;
        metrics::gauge!("bunbase_documents_subscriptions").set(state.subscriptions as f64);
        let project = state.projects.entry(scope.project.clone()).or_insert_with(|| {
            let (feed, reading) = Feed::start(self, scope.database.clone());
            Project { feed, _reading: reading, subscriptions: 0, queries: 0 }
        });
        project.subscriptions += 1;
        project.queries += usize::from(kind == Kind::Query);
        project.feed.clone()
    }

    fn register(&self, subscriber: Subscriber) -> Arc<Subscriber> {
        let subscriber = Arc::new(subscriber);
        let mut state = self.lock();
        state.subscribers.insert(subscriber.number, subscriber.clone());
        if state.ended {
            subscriber.outbox.end(event::close(SHUTTING_DOWN));
        }
        drop(state);
        subscriber
    }

    fn leave(&self, ticket: &Ticket) {
        let mut state = self.lock();
        state.subscriptions -= 1;
        metrics::gauge!("bunbase_documents_subscriptions").set(state.subscriptions as f64);
        let subscriber = state.subscribers.remove(&ticket.number);
        let last = state.projects.get_mut(&ticket.project).is_some_and(|project| {
            project.subscriptions -= 1;
            project.queries -= usize::from(ticket.kind == Kind::Query);
            project.subscriptions == 0
        });
        if last {
            state.projects.remove(&ticket.project);
        }
        drop(state);
        if let Some(subscriber) = subscriber {
            subscriber.feed.leave(&subscriber);
        }
    }

    fn epoch(&self, subscriber: &Subscriber) -> String {
        self.engine.epoch(subscriber.feed.database())
    }

    fn last_commit(&self) -> u64 {
        *self.engine.commits().borrow()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.live.leave(self);
    }
}

fn too_many(limit: Limit, (what, count): (&str, usize)) -> ApiError {
    let message = format!("the project has {count} {what}, which is as many as it may: end some first");
    limit.refusal(message).retry_after(RETRY_AFTER)
}

/// After everything that is committed now.
pub(crate) fn now(engine: &dyn Engine) -> ChangePosition {
    ChangePosition { commit: *engine.commits().borrow(), index: u32::MAX }
}
