//! Who may run a query now: a bound on blocking work, with a fair share for every project. A project has
//! at most half of the running places and half of the waiting ones, and projects that wait take turns: one
//! query each, however many a project has waiting. So a query of a quiet project begins after at most one
//! of each other project. A place is held until the work ends, also where the caller has gone away.

mod turns;

use crate::config::DocumentsConfig;
use crate::limit::Limit;
use service_kit::error::{ApiError, Classify, ErrorCode};
use service_kit::ids::ProjectId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinError;
use turns::{Limits, Turns};

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
    /// The work broke off with a panic.
    #[error("a query broke off")]
    BrokeOff(#[source] JoinError),
}

impl Classify for GateError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::QueueFull | Self::WaitedTooLong => ErrorCode::Overloaded,
            Self::BrokeOff(_) => ErrorCode::Internal,
        }
    }
}

impl GateError {
    /// The answer, with `Retry-After` where that helps.
    pub(crate) fn answer(&self) -> ApiError {
        let limit = match self {
            Self::QueueFull => Limit::QueriesWaiting,
            Self::WaitedTooLong => Limit::QueryWait,
            Self::BrokeOff(_) => return ApiError::from_error(self),
        };
        limit.name_in(ApiError::from_error(self)).retry_after(RETRY_AFTER)
    }
}

/// Gives out places for blocking work.
pub(crate) struct Gate {
    turns: Arc<Mutex<Turns>>,
    wait_max: Duration,
}

impl Gate {
    pub(crate) fn new(config: &DocumentsConfig) -> Self {
        let places = config.queries_max.get();
        let project_places = (places / 2).max(1);
        let limits = Limits {
            places,
            project_places,
            waiting: config.queries_waiting_max,
            project_waiting: config.queries_waiting_max / 2,
        };
        let wait_max = Duration::from_millis(config.query_wait_ms_max.get());
        Self { turns: Arc::new(Mutex::new(Turns::new(limits))), wait_max }
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

    /// How many projects run or wait.
    pub(crate) fn projects(&self) -> usize {
        lock(&self.turns).projects()
    }

    async fn enter(&self, project: &ProjectId) -> Result<Place, GateError> {
        let (begin, begins) = oneshot::channel();
        let number = lock(&self.turns).join(project, begin)?;
        // Dropped, it leaves the queue, or gives back the place that it was given meanwhile.
        let place = Place { turns: self.turns.clone(), project: project.clone(), number };
        match tokio::time::timeout(self.wait_max, begins).await {
            Ok(Ok(())) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(GateError::WaitedTooLong),
        }
    }
}

fn lock(turns: &Mutex<Turns>) -> MutexGuard<'_, Turns> {
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One that waits or runs.
struct Place {
    turns: Arc<Mutex<Turns>>,
    project: ProjectId,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.turns).leave(&self.project, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::num::NonZeroUsize;
    use std::pin::Pin;
    use std::task::Poll;

    fn gate(places: usize, waiting: usize) -> Gate {
        Gate::new(&DocumentsConfig {
            queries_max: NonZeroUsize::new(places).unwrap(),
            queries_waiting_max: waiting,
            ..DocumentsConfig::default()
        })
    }

    type Entering<'a> = Pin<Box<dyn Future<Output = Result<Place, GateError>> + Send + 'a>>;

    /// Polls once; the place, where there is one.
    async fn poll(entering: &mut Entering<'_>) -> Option<Place> {
        std::future::poll_fn(|context| match entering.as_mut().poll(context) {
            Poll::Ready(entered) => Poll::Ready(Some(entered.unwrap())),
            Poll::Pending => Poll::Ready(None),
        })
        .await
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
    async fn a_quiet_project_waits_for_one_query_of_each_noisy_one_at_the_most() {
        let gate = gate(2, 1_000);
        let noisy: Vec<ProjectId> = (0..5).map(|_| ProjectId::generate()).collect();
        let mut waiting: Vec<Entering<'_>> = Vec::new();
        let mut running = Vec::new();
        for _ in 0..50 {
            for project in &noisy {
                let mut entering: Entering<'_> = Box::pin(gate.enter(project));
                match poll(&mut entering).await {
                    Some(place) => running.push(place),
                    None => waiting.push(entering),
                }
            }
        }
        assert_eq!((running.len(), waiting.len()), (2, 248));
        for _ in 0..20 {
            let quiet = ProjectId::generate();
            let mut entering: Entering<'_> = Box::pin(gate.enter(&quiet));
            let mut place = poll(&mut entering).await;
            let mut ended = 0;
            while place.is_none() {
                drop(running.remove(0));
                ended += 1;
                for at in (0..waiting.len()).rev() {
                    if let Some(begun) = poll(&mut waiting[at]).await {
                        running.push(begun);
                        drop(waiting.remove(at));
                    }
                }
                place = poll(&mut entering).await;
            }
            assert!(ended <= noisy.len() + 1, "the quiet project waited for {ended} queries");
            drop(place);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_turns_away_at_once() {
        let gate = gate(2, 2);
        let project = ProjectId::generate();
        let held = gate.enter(&project).await.unwrap();
        let mut waiting: Entering<'_> = Box::pin(gate.enter(&project));
        assert!(poll(&mut waiting).await.is_none());
        let turned_away = gate.enter(&project).await;
        assert!(matches!(&turned_away, Err(GateError::QueueFull)));
        let answer = turned_away.err().unwrap().answer();
        assert_eq!((answer.code, answer.retry_after), (ErrorCode::Overloaded, Some(RETRY_AFTER)));
        drop(held);
        assert!(poll(&mut waiting).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_those_who_left() {
        let gate = gate(2, 2);
        for _ in 0..10 {
            assert_eq!(gate.run(&ProjectId::generate(), || 7).await.unwrap(), 7);
        }
        let project = ProjectId::generate();
        let held = gate.enter(&project).await.unwrap();
        for _ in 0..10 {
            // Waits, and is given up.
            let mut waiting: Entering<'_> = Box::pin(gate.enter(&project));
            assert!(poll(&mut waiting).await.is_none());
        }
        drop(held);
        assert_eq!(gate.projects(), 0);
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
