//! Who may run a query now: a bound on blocking work, with a fair share for every project. A project has
//! at most half of the running places and half of the waiting ones, so no project locks out another.
//! A place is held until the work ends, also where the caller has gone away.

use crate::config::DocumentsConfig;
use service_kit::error::{ApiError, Classify, ErrorCode};
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// When to come back after being turned away: most queries take milliseconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The work was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    /// As many wait as may.
    #[error("too many queries are waiting, try again")]
    QueueFull,
    /// No place became free in time.
    #[error("no query could run in time, try again")]
    WaitedTooLong,
    /// Places are not given out any more.
    #[error("the document service is shut down")]
    Closed(#[source] AcquireError),
    /// The work broke off with a panic.
    #[error("a query broke off")]
    BrokeOff(#[source] JoinError),
}

impl Classify for GateError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::QueueFull | Self::WaitedTooLong => ErrorCode::Overloaded,
            Self::Closed(_) => ErrorCode::ShuttingDown,
            Self::BrokeOff(_) => ErrorCode::Internal,
        }
    }
}

impl GateError {
    /// The answer, with `Retry-After` where that helps.
    pub(crate) fn answer(&self) -> ApiError {
        match self {
            Self::QueueFull | Self::WaitedTooLong => ApiError::from_error(self).retry_after(RETRY_AFTER),
            Self::Closed(_) | Self::BrokeOff(_) => ApiError::from_error(self),
        }
    }
}

/// Gives out places for blocking work.
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    shares: Arc<Mutex<Shares>>,
    limits: Limits,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Running and waiting, of all.
    users_max: usize,
    /// Running, of one project.
    project_places: usize,
    /// Running and waiting, of one project.
    project_users_max: usize,
    wait_max: Duration,
}

/// Who runs or waits; projects that do neither have no entry.
#[derive(Default)]
struct Shares {
    users: usize,
    by_project: HashMap<ProjectId, Share>,
}

struct Share {
    places: Arc<Semaphore>,
    users: usize,
}

impl Gate {
    pub(crate) fn new(config: &DocumentsConfig) -> Self {
        let places = config.queries_max.get();
        let project_places = (places / 2).max(1);
        let limits = Limits {
            users_max: places + config.queries_waiting_max,
            project_places,
            project_users_max: project_places + config.queries_waiting_max / 2,
            wait_max: Duration::from_millis(config.query_wait_ms_max.get()),
        };
        Self { places: Arc::new(Semaphore::new(places)), shares: Arc::default(), limits }
    }

    /// Runs blocking work on a thread of its own, when it is the project's turn.
    ///
    /// # Errors
    /// There was no place, or the work broke off.
    pub(crate) async fn run<T, F>(&self, project: &ProjectId, work: F) -> Result<T, GateError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = self.enter(project).await?;
        let work = move || {
            let _place = place;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(GateError::BrokeOff)
    }

    async fn enter(&self, project: &ProjectId) -> Result<Place, GateError> {
        let (turn, share) = self.queue(project)?;
        let permits = async {
            let of_project = share.acquire_owned().await?;
            let of_all = self.places.clone().acquire_owned().await?;
            Ok([of_project, of_all])
        };
        match tokio::time::timeout(self.limits.wait_max, permits).await {
            Ok(Ok(permits)) => Ok(Place { _permits: permits, _turn: turn }),
            Ok(Err(closed)) => Err(GateError::Closed(closed)),
            Err(_) => Err(GateError::WaitedTooLong),
        }
    }

    fn queue(&self, project: &ProjectId) -> Result<(Turn, Arc<Semaphore>), GateError> {
        let limits = self.limits;
        let mut shares = lock(&self.shares);
        let project_users = shares.by_project.get(project).map_or(0, |share| share.users);
        if shares.users >= limits.users_max || project_users >= limits.project_users_max {
            return Err(GateError::QueueFull);
        }
        shares.users += 1;
        let new_share = || Share { places: Arc::new(Semaphore::new(limits.project_places)), users: 0 };
        let share = shares.by_project.entry(project.clone()).or_insert_with(new_share);
        share.users += 1;
        let places = share.places.clone();
        Ok((Turn { project: project.clone(), shares: self.shares.clone() }, places))
    }
}

fn lock(shares: &Mutex<Shares>) -> MutexGuard<'_, Shares> {
    shares.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running place. The permits go back before the turn ends.
struct Place {
    _permits: [OwnedSemaphorePermit; 2],
    _turn: Turn,
}

/// One that runs or waits.
struct Turn {
    project: ProjectId,
    shares: Arc<Mutex<Shares>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut shares = lock(&self.shares);
        shares.users -= 1;
        if let Some(share) = shares.by_project.get_mut(&self.project) {
            share.users -= 1;
            if share.users == 0 {
                shares.by_project.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    fn gate(places: usize, waiting: usize) -> Gate {
        Gate::new(&DocumentsConfig {
            queries_max: NonZeroUsize::new(places).unwrap(),
            queries_waiting_max: waiting,
            ..DocumentsConfig::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn one_project_leaves_half_of_the_places_to_others() {
        let gate = gate(4, 100);
        let (greedy, other) = (ProjectId::generate(), ProjectId::generate());
        let _held = [gate.enter(&greedy).await.unwrap(), gate.enter(&greedy).await.unwrap()];
        assert!(matches!(gate.enter(&greedy).await, Err(GateError::WaitedTooLong)));
        assert!(gate.enter(&other).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_turns_away_at_once() {
        let gate = gate(2, 2);
        let project = ProjectId::generate();
        let held = gate.enter(&project).await.unwrap();
        let waiting = gate.enter(&project);
        tokio::pin!(waiting);
        assert!(futures_poll(&mut waiting).await);
        let turned_away = gate.enter(&project).await;
        assert!(matches!(&turned_away, Err(GateError::QueueFull)));
        let answer = turned_away.err().unwrap().answer();
        assert_eq!((answer.code, answer.retry_after), (ErrorCode::Overloaded, Some(RETRY_AFTER)));
        drop(held);
        assert!(waiting.await.is_ok());
    }

    /// Polls once; whether it is still pending.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|context| {
            let polled = std::pin::Pin::new(&mut *future).poll(context);
            std::task::Poll::Ready(polled.is_pending())
        })
        .await
    }

    #[tokio::test]
    async fn nothing_is_kept_of_projects_that_left() {
        let gate = gate(2, 2);
        for _ in 0..10 {
            assert_eq!(gate.run(&ProjectId::generate(), || 7).await.unwrap(), 7);
        }
        let shares = lock(&gate.shares);
        assert_eq!((shares.users, shares.by_project.len()), (0, 0));
    }

    #[tokio::test]
    async fn work_that_breaks_off_gives_its_place_back() {
        let gate = gate(1, 0);
        let project = ProjectId::generate();
        let broken = gate.run(&project, || assert_eq!(1, 2)).await;
        assert!(matches!(broken, Err(GateError::BrokeOff(_))));
        assert!(gate.run(&project, || ()).await.is_ok());
    }
}
