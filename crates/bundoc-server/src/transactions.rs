//! Interactive transactions over several requests: opened by one call, named by the header of those that
//! belong to it, ended by commit, abort, or by themselves when nothing is heard of them.
//!
//! What must hold: a transaction is used by nobody but the caller that opened it (same project, same key or
//! account, same end user); its calls run one after the other; one that is idle or old is aborted; and there
//! are never more than the settings allow, of all and of one project.

mod session;

use crate::config::DocumentsConfig;
use crate::error;
use crate::gate::Gate;
use crate::limit::Limit;
use crate::scope::{Identity, Scope, TRANSACTION_HEADER, no_transaction};
use bundoc::engine::{Actor, Commit, Engine, Transaction};
use bundoc::error::EngineError;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{ProjectId, TransactionId};
use session::{Session, Work};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;

/// Ended transactions whose callers are told that they expired; older ones are as unknown as any.
const EXPIRED_KEPT: usize = 1_000;
/// When to come back after a limit of open transactions: some may have ended by then.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// All open transactions.
pub(crate) struct Transactions {
    engine: Arc<dyn Engine>,
    gate: Arc<Gate>,
    bounds: Bounds,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    open: usize,
    open_per_project: usize,
    idle: Duration,
    age: Duration,
    /// How long a call waits for the one before it.
    wait: Duration,
}

#[derive(Default)]
struct State {
    ended: bool,
    open: HashMap<TransactionId, Open>,
    expired: VecDeque<(TransactionId, Holder)>,
}

impl State {
    fn of(&self, project: &ProjectId) -> usize {
        self.open.values().filter(|open| open.session.holder.project == *project).count()
    }
}

/// While this is kept, the transaction is open, and looked after.
struct Open {
    session: Arc<Session>,
    watching: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.session.end();
        self.watching.abort();
    }
}

/// How a transaction came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// By its caller, who knows.
    Quietly,
    /// By itself: its caller will be told.
    Expired,
}

/// Whose a transaction is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    project: ProjectId,
    identity: Identity,
}

impl Holder {
    fn of(scope: &Scope) -> Self {
        Self { project: scope.project.clone(), identity: scope.identity.clone() }
    }
}

/// What a caller is told of the transaction that it opened.
pub(crate) struct Opened {
    pub(crate) id: TransactionId,
    /// When it is aborted, however busy it is.
    pub(crate) expires_in: Duration,
    /// When it is aborted without calls.
    pub(crate) idle: Duration,
}

impl Transactions {
    pub(crate) fn new(config: &DocumentsConfig, engine: Arc<dyn Engine>, gate: Arc<Gate>) -> Arc<Self> {
        let bounds = Bounds {
            open: config.transactions_max,
            open_per_project: config.transactions_per_project_max,
            idle: Duration::from_millis(config.transaction_idle_ms_max.get()),
            age: Duration::from_millis(config.transaction_age_ms_max.get()),
            wait: Duration::from_millis(config.query_wait_ms_max.get()),
        };
        Arc::new(Self { engine, gate, bounds, state: Mutex::default() })
    }

    /// Opens one for the caller.
    pub(crate) async fn open(self: &Arc<Self>, scope: &Scope) -> Result<Opened, ApiError> {
        if scope.transaction.is_some() {
            let message = "a transaction cannot be opened inside another one";
            return Err(ApiError::new(ErrorCode::InvalidRequest, message));
        }
        self.check_room(&self.lock(), &scope.project)?;
        let (engine, database, actor) = (self.engine.clone(), scope.database.clone(), scope.actor.clone());
        let begun = self.gate.run(&scope.project, move || engine.begin(&database, &actor)).await;
        let transaction = begun.map_err(|refused| refused.answer())?.map_err(error::engine)?;
        let session = Arc::new(Session::new(Holder::of(scope), scope.actor.clone(), transaction));
        let id = TransactionId::generate();
        let mut state = self.lock();
        self.check_room(&state, &scope.project)?;
        let watch = watch(Arc::downgrade(self), Arc::downgrade(&session), id.clone(), self.bounds);
        let watching = tokio::spawn(watch).abort_handle();
        state.open.insert(id.clone(), Open { session, watching });
        gauge(&state);
        Ok(Opened { id, expires_in: self.bounds.age, idle: self.bounds.idle })
    }

    fn check_room(&self, state: &State, project: &ProjectId) -> Result<(), ApiError> {
        if state.ended {
            return Err(ApiError::new(ErrorCode::ShuttingDown, "the server is shutting down"));
        }
        if state.open.len() >= self.bounds.open {
            let message = "the server has as many open transactions as it may, try again";
            return Err(Limit::Transactions.refusal(message).retry_after(RETRY_AFTER));
        }
        let of_project = state.of(project);
        if of_project >= self.bounds.open_per_project {
            let message =
                format!("the project has {of_project} open transactions, which is as many as it may");
            return Err(Limit::TransactionsPerProject.refusal(message).retry_after(RETRY_AFTER));
        }
        Ok(())
    }

    /// Runs blocking work inside a transaction, after the calls before it.
    pub(crate) async fn run<T, F>(
        &self,
        scope: &Scope,
        id: &TransactionId,
        work: F,
    ) -> Result<Result<T, EngineError>, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Transaction) -> Result<T, EngineError> + Send + 'static,
    {
        let session = self.session(scope, id)?;
        let mut turn = self.turn(&session).await?;
        let work = move || {
            let transaction = turn.transaction()?;
            Some(work(transaction))
        };
        let Some(done) = self.gate.run(&scope.project, work).await.map_err(|refused| refused.answer())?
        else {
            // It ended while the call waited.
            return Err(self.absent(&Holder::of(scope), id));
        };
        if matches!(done, Err(EngineError::TransactionExpired)) {
            self.close(id, Ended::Expired);
        }
        Ok(done)
    }

    /// Commits; the transaction is at its end whatever comes of it.
    pub(crate) async fn commit(&self, scope: &Scope, id: &TransactionId) -> Result<Commit, ApiError> {
        check_named(scope, id)?;
        let session = self.session(scope, id)?;
        let mut turn = self.turn(&session).await?;
        // Who takes it out ends it: of a commit and an abort at the same time only one does.
        let absent = || self.absent(&Holder::of(scope), id);
        self.close(id, Ended::Quietly).ok_or_else(absent)?;
        let transaction = turn.take().ok_or_else(absent)?;
        let committed = transaction.commit().await;
        count(match &committed {
            Ok(_) => "committed",
            Err(EngineError::TransactionConflict) => "conflict",
            Err(EngineError::TransactionExpired) => "expired",
            Err(_) => "failed",
        });
        committed.map_err(|failed| error::engine(scope.visible(failed)))
    }

    /// Aborts; a call that is running in it ends first, those that wait are told that it is gone.
    pub(crate) fn abort(&self, scope: &Scope, id: &TransactionId) -> Result<(), ApiError> {
        check_named(scope, id)?;
        self.session(scope, id)?;
        self.close(id, Ended::Quietly).ok_or_else(|| self.absent(&Holder::of(scope), id))?;
        count("aborted");
        Ok(())
    }

    /// How many are open, of all projects.
    pub(crate) fn open_of_all(&self) -> usize {
        self.lock().open.len()
    }

    /// How many of a project are open.
    pub(crate) fn of(&self, project: &ProjectId) -> usize {
        self.lock().of(project)
    }

    /// Aborts the transactions of a project whose documents are gone.
    pub(crate) fn purged(&self, project: &ProjectId) {
        let mut state = self.lock();
        state.open.retain(|_, open| open.session.holder.project != *project);
        gauge(&state);
    }

    /// Aborts all, and opens no more.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.open.clear();
        gauge(&state);
    }

    fn session(&self, scope: &Scope, id: &TransactionId) -> Result<Arc<Session>, ApiError> {
        let holder = Holder::of(scope);
        let session = self.lock().open.get(id).map(|open| open.session.clone());
        let Some(session) = session.filter(|session| session.holder == holder) else {
            return Err(self.absent(&holder, id));
        };
        if !same_rights(&session.actor, &scope.actor) {
            // The rules were asked on behalf of somebody with other claims.
            self.close(id, Ended::Quietly);
            return Err(error::engine(EngineError::TransactionConflict));
        }
        Ok(session)
    }

    async fn turn(&self, session: &Arc<Session>) -> Result<Work, ApiError> {
        session.turn(self.bounds.wait).await.ok_or_else(|| {
            let message = "another call of this transaction is still running";
            Limit::QueryWait.refusal(message).retry_after(RETRY_AFTER)
        })
    }

    fn absent(&self, holder: &Holder, id: &TransactionId) -> ApiError {
        let expired = |(known, whose): &(TransactionId, Holder)| known == id && whose == holder;
        if self.lock().expired.iter().any(expired) {
            return error::engine(EngineError::TransactionExpired);
        }
        no_transaction()
    }

    /// Takes a transaction out; no call begins in it any more. `None` where somebody else did.
    fn close(&self, id: &TransactionId, ended: Ended) -> Option<Open> {
        let mut state = self.lock();
        let open = state.open.remove(id)?;
        if ended == Ended::Expired {
            if state.expired.len() == EXPIRED_KEPT {
                state.expired.pop_front();
            }
            state.expired.push_back((id.clone(), open.session.holder.clone()));
            count("expired");
        }
        gauge(&state);
        Some(open)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a transaction that is idle or old.
async fn watch(transactions: Weak<Transactions>, session: Weak<Session>, id: TransactionId, bounds: Bounds) {
    loop {
        let Some(ends_at) = session.upgrade().map(|session| session.ends_at(bounds.idle, bounds.age)) else {
            return;
        };
        if ends_at <= tokio::time::Instant::now() {
            break;
        }
        tokio::time::sleep_until(ends_at).await;
    }
    if let Some(transactions) = transactions.upgrade() {
        transactions.close(&id, Ended::Expired);
    }
}

/// What ends a transaction belongs to no other one.
fn check_named(scope: &Scope, id: &TransactionId) -> Result<(), ApiError> {
    match &scope.transaction {
        Some(named) if named != id => {
            let message = format!(
                "`{TRANSACTION_HEADER}` names another transaction than the one to end: send the same id, or \
                 leave it out"
            );
            Err(ApiError::new(ErrorCode::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}

/// Whether rules see the same caller.
fn same_rights(one: &Actor, other: &Actor) -> bool {
    match (one, other) {
        (Actor::Trusted, Actor::Trusted) => true,
        (Actor::Ruled(one), Actor::Ruled(other)) => one.uid == other.uid && one.claims == other.claims,
        _ => false,
    }
}

fn gauge(state: &State) {
    metrics::gauge!("bunbase_documents_transactions_open").set(state.open.len() as f64);
}

fn count(outcome: &'static str) {
    metrics::counter!("bunbase_documents_transactions_total", "outcome" => outcome).increment(1);
}
