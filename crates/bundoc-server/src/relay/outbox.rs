//! What was committed together with documents and goes elsewhere: one task for each outbox and all projects,
//! which reads the outboxes that have something, hands on, and settles what was taken. A project has a page
//! of its own and then it is the next one's turn. What was taken and not settled before a crash is handed on
//! again with the same `id`.

use async_trait::async_trait;
use bundoc::engine::{ChangePosition, DatabaseName, Engine, Outbox, OutboxEntry};
use bundoc::error::EngineError;
use service_kit::ids::ProjectId;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// Entries of one project that are read at once.
const PAGE: usize = 256;
/// The first and the longest wait where the other end or the store cannot be reached.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Where the entries of an outbox go.
#[async_trait]
pub(super) trait Receiver: Send + Sync {
    /// The outbox that it empties.
    fn outbox(&self) -> Outbox;

    /// Takes entries of one project, in their order; `epoch` and position together name each for good. After
    /// an error all of them come again.
    async fn take(&self, project: ProjectId, epoch: &str, entries: &[OutboxEntry]) -> Result<(), NotTaken>;
}

/// The other end does not take them now; later it may.
pub(super) type NotTaken = Box<dyn Error + Send + Sync>;

/// Nothing more can be done now.
#[derive(Debug, thiserror::Error)]
enum OutboxError {
    #[error(transparent)]
    Store(#[from] EngineError),
    #[error("{0}")]
    NotTaken(NotTaken),
}

/// Hands on until the store is closed.
pub(super) async fn run(engine: Arc<dyn Engine>, receiver: Arc<dyn Receiver>) {
    let mut filled = engine.watch_outboxes();
    let mut wait = RETRY_MIN;
    loop {
        filled.borrow_and_update();
        match empty_all(&engine, &*receiver).await {
            Ok(()) => {
                wait = RETRY_MIN;
                if filled.changed().await.is_err() {
                    return;
                }
            }
            Err(OutboxError::Store(EngineError::Closed)) => return,
            Err(error) => {
                let outbox = receiver.outbox();
                tracing::warn!(%error, ?outbox, "what batches noted cannot be handed on, trying again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
        }
    }
}

/// Hands on what waits, a page of each project in turn, until nothing does. A project whose entries are not
/// taken does not hold up the others.
async fn empty_all(engine: &Arc<dyn Engine>, receiver: &dyn Receiver) -> Result<(), OutboxError> {
    loop {
        let waiting = engine.outboxes_waiting(receiver.outbox());
        if waiting.is_empty() {
            return Ok(());
        }
        let mut refused = None;
        for database in waiting {
            match empty_page(engine, receiver, &database).await {
                Err(OutboxError::NotTaken(reason)) => refused = Some(reason),
                other => other?,
            }
        }
        if let Some(reason) = refused {
            return Err(OutboxError::NotTaken(reason));
        }
    }
}

async fn empty_page(
    engine: &Arc<dyn Engine>,
    receiver: &dyn Receiver,
    database: &DatabaseName,
) -> Result<(), OutboxError> {
    let (reader, name, outbox) = (engine.clone(), database.clone(), receiver.outbox());
    let read = move || reader.outbox(&name, outbox, ChangePosition::default(), PAGE);
    let page = tokio::task::spawn_blocking(read).await;
    let page = page.unwrap_or_else(|broken| Err(EngineError::Storage(Box::new(broken))))?;
    let Some(last) = page.last().map(|entry| entry.position) else { return Ok(()) };
    if let Ok(project) = ProjectId::parse(database.as_str()) {
        let taken = receiver.take(project, &engine.epoch(database), &page).await;
        taken.map_err(OutboxError::NotTaken)?;
    }
    engine.settle_outbox(database, outbox, last).await?;
    Ok(())
}
