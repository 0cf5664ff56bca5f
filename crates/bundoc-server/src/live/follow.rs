//! Catching up: a subscriber that comes back reads the feed for itself, as fast as it takes the events, up
//! to where the changes are in memory, and joins the others there.

use super::Live;
use super::event::LiveChange;
use super::subscriber::{Outcome, Subscriber};
use bundoc::engine::{Change, ChangePosition};
use bundoc::error::EngineError;
use std::sync::Arc;

/// Brings a subscriber from `position` to the others.
///
/// # Errors
/// Why the subscription has to end.
pub(super) async fn follow(
    live: &Live,
    subscriber: &Arc<Subscriber>,
    mut position: ChangePosition,
) -> Result<(), &'static str> {
    while !subscriber.outbox.is_closed() && !subscriber.feed.join(subscriber, position) {
        position = match page(live, subscriber, position).await {
            Ok((changes, reached)) => {
                send(live, subscriber, changes).await?;
                reached
            }
            Err(EngineError::FeedTrimmed) => {
                let now = subscriber.feed.now();
                subscriber.resync(now);
                now
            }
            Err(EngineError::Closed) => return Err("shutting_down"),
            Err(error) => {
                tracing::error!(%error, "a change feed cannot be read, a subscription ends");
                return Err("unavailable");
            }
        };
    }
    Ok(())
}

async fn page(
    live: &Live,
    subscriber: &Subscriber,
    after: ChangePosition,
) -> Result<(Vec<Change>, ChangePosition), EngineError> {
    let _turn = live.catching_up.acquire().await.map_err(|_| EngineError::Closed)?;
    let feed = subscriber.feed.clone();
    let page = tokio::task::spawn_blocking(move || feed.page(after)).await;
    page.unwrap_or_else(|broken| Err(EngineError::Storage(Box::new(broken))))
}

async fn send(live: &Live, subscriber: &Subscriber, changes: Vec<Change>) -> Result<(), &'static str> {
    let epoch = subscriber.feed.epoch();
    for change in changes.into_iter().filter(|change| change.collection == subscriber.collection) {
        let sight = live.engine.sight(subscriber.feed.database(), &change, &subscriber.actor());
        let change = LiveChange::new(change, &epoch);
        match subscriber.outcome(&change, sight) {
            Outcome::Nothing => {}
            Outcome::Send(event) => {
                // Nobody reads any more: the caller sees it.
                let _gone = subscriber.outbox.send(event).await;
            }
            Outcome::Resync => subscriber.resync(change.change.position),
            Outcome::Close(reason) => return Err(reason),
        }
    }
    Ok(())
}
