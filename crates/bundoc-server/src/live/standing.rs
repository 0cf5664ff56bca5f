//! What every subscription needs from time to time, from one clock for all of them: a sign of life, and the
//! question whether it may still be open. Subscriptions take turns, so that not all are asked at once.

use super::subscriber::{Subscriber, key_of};
use super::{Live, vary};
use crate::scope::actor_of;
use futures_util::StreamExt;
use ports::access::AccessError;
use routes::Standing;
use service_kit::sse::HEARTBEAT_EVERY;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

const TICK: Duration = Duration::from_secs(1);
/// Questions that are open at the same time.
const QUESTIONS_MAX: usize = 64;
/// How long a subscription outlives that nobody can say whether it may be open.
const UNSURE_MAX: Duration = Duration::from_secs(5);

/// Runs as long as there is anybody to subscribe with.
pub(super) async fn run(live: Weak<Live>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 0_u64.. {
        ticks.tick().await;
        let Some(live) = live.upgrade() else { return };
        let turn = |one: &Subscriber, every: Duration| (one.number + tick).is_multiple_of(every.as_secs());
        if tick.is_multiple_of(vary::EVERY_SECONDS) {
            for (project, feed) in live.feeds() {
                tokio::spawn(vary::run(live.clone(), project, feed));
            }
        }
        let all = live.all();
        all.iter().filter(|one| turn(one, HEARTBEAT_EVERY)).for_each(|one| one.outbox.heartbeat());
        let asked = all.into_iter().filter(|one| turn(one, Standing::EVERY));
        futures_util::stream::iter(asked)
            .for_each_concurrent(QUESTIONS_MAX, |subscriber| check(&live, subscriber))
            .await;
    }
}

async fn check(live: &Live, subscriber: Arc<Subscriber>) {
    let answer = subscriber.standing.check().await;
    let mut viewer = subscriber.viewer.lock().unwrap_or_else(PoisonError::into_inner);
    match answer {
        Ok(grant) => {
            viewer.unsure_since = None;
            let actor = actor_of(&grant);
            let same = viewer.key == key_of(&actor);
            drop(viewer);
            if !same {
                subscriber.feed.change_actor(&subscriber, actor);
            }
        }
        Err(AccessError::Unavailable(_)) => {
            let since = *viewer.unsure_since.get_or_insert_with(Instant::now);
            drop(viewer);
            if since.elapsed() > UNSURE_MAX {
                live.close(&subscriber, "unavailable");
            }
        }
        Err(_) => {
            drop(viewer);
            live.close(&subscriber, "revoked");
        }
    }
}
