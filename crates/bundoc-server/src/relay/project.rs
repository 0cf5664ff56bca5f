//! The relay of one project.

use super::message::{Detail, payload};
use super::place;
use crate::live::now;
use crate::scope::database_of;
use crate::system::is_system;
use bundoc::engine::{Change, ChangePosition, DatabaseName, Engine};
use bundoc::error::EngineError;
use bytes::Bytes;
use ports::documents::topic_of_changes;
use ports::events::{BusError, Demand, EventBus, Realm, Topic};
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Changes that are read at once.
const PAGE: usize = 256;
/// How often it is saved how far the relay is, while there is something to save.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// The first and the longest wait where the bus or the store cannot be reached.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Where a relay begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Where it was; at the beginning of the feed where it never was anywhere.
    Stored,
    /// With what comes from now on.
    Now,
}

/// One project on its way to the bus.
pub(super) struct ProjectRelay {
    engine: Arc<dyn Engine>,
    bus: Arc<dyn EventBus>,
    demand: watch::Receiver<Arc<Demand>>,
    project: ProjectId,
    realm: Realm,
    database: DatabaseName,
    position: ChangePosition,
    saved_at: Instant,
    /// Whether something was published since the place was saved.
    ahead: bool,
}

impl ProjectRelay {
    pub(super) fn new(engine: Arc<dyn Engine>, bus: Arc<dyn EventBus>, project: ProjectId) -> Option<Self> {
        let database = database_of(&project).ok()?;
        let position = now(&*engine);
        Some(Self {
            demand: bus.demand(),
            realm: Realm::Project(project.clone()),
            saved_at: Instant::now(),
            ahead: false,
            engine,
            bus,
            project,
            database,
            position,
        })
    }

    /// Relays until it is aborted or the store is closed.
    pub(super) async fn run(mut self, begin: Begin) {
        let mut wake_up = self.engine.watch(&self.database);
        let mut wait = RETRY_MIN;
        let mut begun = false;
        loop {
            let done = if begun { self.relay().await } else { self.begin(begin).await };
            match done {
                Ok(()) if begun => {}
                Ok(()) => {
                    begun = true;
                    continue;
                }
                Err(EngineError::Closed) => return,
                Err(EngineError::FeedTrimmed) => {
                    tracing::warn!(project = %self.project, "the change feed does not reach back to where the relay was: changes are not on the bus");
                    self.position = now(&*self.engine);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, project = %self.project, "changes cannot be relayed to the bus, trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_MAX);
                    continue;
                }
            }
            wait = RETRY_MIN;
            tokio::select! {
                woken = wake_up.changed() => if woken.is_err() { return },
                () = tokio::time::sleep_until(self.saved_at + SAVE_EVERY), if self.ahead => {}
            }
        }
    }

    /// Finds where to begin. What begins now is saved, so that a restart goes on from here.
    async fn begin(&mut self, begin: Begin) -> Result<(), EngineError> {
        match begin {
            Begin::Stored => {
                self.position = place::read(&*self.engine, &self.database)?.unwrap_or_default();
                Ok(())
            }
            Begin::Now => place::save(&*self.engine, &self.database, self.position).await,
        }
    }

    /// Publishes what is there, and saves the place where it is time.
    async fn relay(&mut self) -> Result<(), EngineError> {
        loop {
            let (engine, database, after) = (self.engine.clone(), self.database.clone(), self.position);
            let read = move || engine.changes(&database, after, PAGE);
            let page = tokio::task::spawn_blocking(read).await;
            let page = page.unwrap_or_else(|broken| Err(EngineError::Storage(Box::new(broken))))?;
            if page.is_empty() {
                break;
            }
            let epoch = self.engine.epoch(&self.database);
            for change in page {
                self.publish(&epoch, &change).await;
                self.position = change.position;
            }
            self.save_where_due().await?;
        }
        self.save_where_due().await
    }

    async fn save_where_due(&mut self) -> Result<(), EngineError> {
        if self.ahead && self.saved_at.elapsed() >= SAVE_EVERY {
            place::save(&*self.engine, &self.database, self.position).await?;
            self.saved_at = Instant::now();
            self.ahead = false;
        }
        Ok(())
    }

    async fn publish(&mut self, epoch: &str, change: &Change) {
        let collection = change.collection.as_str();
        let Ok(topic) = topic_of_changes(collection) else { return };
        if is_system(collection) || !self.demand.borrow().wants(&self.realm, &topic) {
            return;
        }
        for detail in [Detail::Whole, Detail::WithoutDocument] {
            let Some(payload) = payload(&self.project, epoch, change, detail) else { return };
            self.ahead = true;
            if self.publish_bytes(&topic, payload).await {
                return;
            }
        }
    }

    /// Publishes, however long the bus is away; whether it was not too large.
    async fn publish_bytes(&self, topic: &Topic, payload: Bytes) -> bool {
        let mut wait = RETRY_MIN;
        loop {
            match self.bus.publish(&self.realm, topic, payload.clone()).await {
                Ok(_) => return true,
                Err(BusError::TooLarge { .. }) => return false,
                Err(BusError::Unavailable(_) | BusError::Overloaded(_) | BusError::DiskFull) => {
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_MAX);
                }
                Err(error) => {
                    tracing::warn!(%error, topic = topic.as_str(), "a change of a document was not taken by the bus");
                    return true;
                }
            }
        }
    }
}
