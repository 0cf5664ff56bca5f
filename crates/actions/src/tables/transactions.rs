//! Open transactions: each has a connection of its own, belongs to one call, and ends with it, or when it had no
//! statement for a while.

use super::told;
use ports::sql::{SqlCaller, SqlError};
use service_kit::ids::ProjectId;
use sql::confined::{Access, ConfinedFile, Lease};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a transaction stays open without a statement.
pub(super) const TRANSACTION_IDLE_MAX: Duration = Duration::from_secs(5);
/// Open transactions, of all projects.
pub(super) const TRANSACTIONS_MAX: usize = 1_000;

#[derive(Default)]
pub(super) struct Transactions {
    open: Arc<Mutex<HashMap<String, Open>>>,
}

struct Open {
    project: ProjectId,
    invocation: Arc<str>,
    lease: Lease,
    used: Instant,
}

impl Transactions {
    pub(super) async fn begin(
        &self,
        caller: &SqlCaller,
        file: &Arc<ConfinedFile>,
        access: Access,
    ) -> Result<String, SqlError> {
        let invocation = caller.invocation.clone();
        let invocation = invocation.ok_or(SqlError::Invalid("a transaction is for the course of a call"))?;
        if self.open().len() >= TRANSACTIONS_MAX {
            return Err(SqlError::Busy("too many transactions are open: try again in a moment".to_owned()));
        }
        let lease = file.lease(access).await.map_err(told)?;
        lease.begin().await.map_err(told)?;
        let id = format!("txn_{}", uuid::Uuid::now_v7().simple());
        let open = Open { project: caller.project.clone(), invocation, lease, used: Instant::now() };
        self.open().insert(id.clone(), open);
        tokio::spawn(end_when_idle(self.open.clone(), id.clone()));
        Ok(id)
    }

    /// The connection of a transaction of this call.
    pub(super) fn find(&self, caller: &SqlCaller, id: &str) -> Result<Lease, SqlError> {
        let mut all = self.open();
        let open = all.get_mut(id).filter(|open| open.is_of(caller)).ok_or(SqlError::TransactionGone)?;
        open.used = Instant::now();
        Ok(open.lease.clone())
    }

    /// The connection of a transaction that ends now; when it is dropped, what was not committed is taken back.
    pub(super) fn take(&self, caller: &SqlCaller, id: &str) -> Result<Lease, SqlError> {
        let mut all = self.open();
        all.get(id).filter(|open| open.is_of(caller)).ok_or(SqlError::TransactionGone)?;
        all.remove(id).map(|open| open.lease).ok_or(SqlError::TransactionGone)
    }

    pub(super) fn end_invocation(&self, invocation: &str) {
        self.end(|open| &*open.invocation == invocation);
    }

    pub(super) fn end_project(&self, project: &ProjectId) {
        self.end(|open| open.project == *project);
    }

    pub(super) fn end_all(&self) {
        self.end(|_| true);
    }

    fn end(&self, which: impl Fn(&Open) -> bool) {
        let ended: Vec<_> = self.open().extract_if(|_, open| which(open)).collect();
        for (_, open) in ended {
            open.lease.interrupt();
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        locked(&self.open)
    }
}

impl Open {
    fn is_of(&self, caller: &SqlCaller) -> bool {
        self.project == caller.project && Some(&self.invocation) == caller.invocation.as_ref()
    }
}

fn locked(open: &Mutex<HashMap<String, Open>>) -> MutexGuard<'_, HashMap<String, Open>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A statement that runs is no idling: while it does, somebody else has the connection, too.
async fn end_when_idle(all: Arc<Mutex<HashMap<String, Open>>>, id: String) {
    loop {
        let left = {
            let mut all = locked(&all);
            let Some(open) = all.get_mut(&id) else { return };
            if open.lease.is_shared() {
                open.used = Instant::now();
            }
            TRANSACTION_IDLE_MAX.checked_sub(open.used.elapsed())
        };
        match left {
            Some(left) => tokio::time::sleep(left.max(Duration::from_millis(1))).await,
            None => {
                let ended = locked(&all).remove(&id);
                drop(ended);
                return;
            }
        }
    }
}
