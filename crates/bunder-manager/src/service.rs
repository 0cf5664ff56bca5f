//! The service: what its handlers share, and what the rest of the system calls.

use crate::config::KvConfig;
use crate::http;
use crate::list;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::writer::{Change, Done, Job, Limits, Writer};
use async_trait::async_trait;
use ports::access::Access;
use ports::key_value::{
    KeyValue, KvCondition, KvEntry, KvError, KvIncrement, KvKey, KvList, KvPage, KvSet, KvWritten,
};
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use routes::ServiceRoutes;
use rules::{PathRules, RuleList, RulesCache, Separator};
use service_kit::admission::{Admission, AdmissionLimits, Admitted};
use service_kit::clock::Clock;
use service_kit::drain::Drain;
use service_kit::error::ApiError;
use service_kit::ids::ProjectId;
use sql::{Database, SqlError};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The name under which the store stands in a project's tombstone.
const STORE: &str = "kv";
/// Projects whose rules are kept in memory.
const RULED_PROJECTS_MAX: usize = 1_000;
/// The longest expiry: ten years.
const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The key-value store of every project.
pub struct KeyValueService {
    pub(crate) config: KvConfig,
    store: Store,
    clock: Clock,
    rules: RulesCache<ProjectId>,
    admission: Arc<Admission>,
    queue: mpsc::Sender<Job>,
    metrics: Arc<Metrics>,
    drain: Drain,
}

impl KeyValueService {
    /// Brings the tables up to date and starts to write and sweep in the background. The database should be
    /// one with `Durability::Full`, and nobody else's: its one writer is busy with this.
    ///
    /// # Errors
    /// The database cannot be read, or is newer than this program.
    pub async fn start(config: KvConfig, database: Database) -> Result<Arc<Self>, SqlError> {
        Self::start_at(config, database, Clock::system()).await
    }

    /// `start`, with another clock.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_at(config: KvConfig, database: Database, clock: Clock) -> Result<Arc<Self>, SqlError> {
        let store = Store::open(database).await?;
        let metrics = Arc::new(Metrics::register());
        let (queue, jobs) = mpsc::channel(config.queue_max.get());
        let writer = Writer {
            store: store.clone(),
            clock: clock.clone(),
            limits: Limits {
                keys_max: config.keys_per_project_max.get(),
                bytes_max: config.bytes_per_project_max.get(),
            },
            metrics: metrics.clone(),
            batch_max: config.batch_max.get(),
            removed: HashSet::new(),
        };
        let service = Arc::new(Self {
            admission: Admission::new(AdmissionLimits {
                calls_max: config.queue_max.get(),
                bytes_max: config.queue_bytes_max.get(),
            }),
            rules: RulesCache::new(Separator::Slash, RULED_PROJECTS_MAX),
            drain: Drain::new(),
            config,
            store,
            clock,
            queue,
            metrics,
        });
        let (work, drain) = (service.drain.work(), service.drain.clone());
        tokio::spawn(async move {
            let _work = work;
            writer.run(jobs, drain).await;
        });
        tokio::spawn(sweep_often(service.clone()));
        Ok(service)
    }

    /// The routes, each under `/v1` and `/v1/projects/{project}`.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        http::routes(self, access)
    }

    /// Applies the writes that wait, and stops; those that come later are refused.
    pub async fn shutdown(&self) {
        self.drain.start();
        if !self.drain.finished().await {
            tracing::warn!("key-value writes did not end in time");
        }
    }

    /// Removes expired keys from the disk now, as it happens in the background; returns how many.
    ///
    /// # Errors
    /// The store failed.
    pub async fn sweep(&self) -> Result<usize, KvError> {
        let mut total = 0;
        loop {
            match self.enqueue(None, Change::Sweep, None).await? {
                Done::Swept(0) => return Ok(total),
                Done::Swept(count) => total += count,
                _ => return Err(KvError::Stopped),
            }
        }
    }

    /// The rules of a project, compiled.
    pub(crate) async fn rules(&self, project: &ProjectId) -> Result<Arc<PathRules>, ApiError> {
        self.rules.get(project, async { Ok(self.stored_rules(project).await?.rules) }).await
    }

    /// The rules of a project as they were written.
    pub(crate) async fn stored_rules(&self, project: &ProjectId) -> Result<RuleList, ApiError> {
        let Some(text) = self.store.rules(project).await? else { return Ok(RuleList::default()) };
        serde_json::from_str(&text).map_err(|error| ApiError::internal(&error))
    }

    /// Checks and keeps rules; they hold when this returns, and also where the caller goes away meanwhile.
    pub(crate) async fn save_rules(
        self: &Arc<Self>,
        project: &ProjectId,
        list: RuleList,
    ) -> Result<(), ApiError> {
        let text = serde_json::to_string(&list).map_err(|error| ApiError::internal(&error))?;
        let (service, project) = (self.clone(), project.clone());
        let saving = tokio::spawn(async move {
            let save = async {
                service.write(&project, Change::SaveRules(text)).await?;
                Ok::<_, ApiError>(())
            };
            service.rules.replace(&project, list.rules, save).await
        });
        saving.await.map_err(|error| ApiError::internal(&error))?
    }

    async fn write(&self, project: &ProjectId, change: Change) -> Result<Done, KvError> {
        let bytes = match &change {
            Change::Set(_, set) => set.value.len(),
            _ => 0,
        };
        let Some(admitted) = self.admission.enter(project, bytes) else {
            self.metrics.overloaded.increment(1);
            return Err(KvError::Overloaded);
        };
        self.enqueue(Some(project.clone()), change, Some(admitted)).await
    }

    async fn enqueue(
        &self,
        project: Option<ProjectId>,
        change: Change,
        admitted: Option<Admitted>,
    ) -> Result<Done, KvError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { project, change, reply, admitted };
        self.queue.send(job).await.map_err(|_| KvError::Stopped)?;
        answer.await.unwrap_or(Err(KvError::Stopped))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

fn check_ttl(ttl: Option<Duration>) -> Result<(), KvError> {
    match ttl {
        Some(ttl) if ttl.is_zero() || ttl > TTL_MAX => {
            Err(KvError::Invalid("`ttl` is at least a second and at most ten years"))
        }
        _ => Ok(()),
    }
}

/// The answer to an error of the store.
pub(crate) fn stored(error: SqlError) -> KvError {
    match error {
        SqlError::DiskFull(_) => KvError::DiskFull,
        other => KvError::Failed(Box::new(other)),
    }
}

async fn sweep_often(service: Arc<KeyValueService>) {
    let drain = service.drain.clone();
    let every = Duration::from_millis(service.config.sweep_every_ms.get());
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = drain.started() => return,
        }
        match service.sweep().await {
            Ok(0) | Err(KvError::Stopped) => {}
            Ok(keys) => tracing::debug!(keys, "expired keys removed"),
            Err(error) => tracing::warn!(%error, "expired keys could not be removed"),
        }
    }
}

#[async_trait]
impl KeyValue for KeyValueService {
    async fn get(&self, project: &ProjectId, key: &KvKey) -> Result<Option<KvEntry>, KvError> {
        self.metrics.reads.increment(1);
        let found = self.store.get(project, key.as_str(), self.clock.now_ms()).await.map_err(stored)?;
        Ok(found.map(|entry| KvEntry {
            value: entry.value.into(),
            version: entry.version.unsigned_abs(),
            expires_at: entry.expires_at,
        }))
    }

    async fn set(&self, project: &ProjectId, key: &KvKey, set: KvSet) -> Result<KvWritten, KvError> {
        check_ttl(set.ttl)?;
        let max = self.config.value_bytes_max;
        if set.value.len() > max.get() {
            return Err(KvError::LimitExceeded(format!("a value has {max} bytes at the most")));
        }
        match self.write(project, Change::Set(key.clone(), set)).await? {
            Done::Written(written) => Ok(written),
            _ => Err(KvError::Stopped),
        }
    }

    async fn delete(&self, project: &ProjectId, key: &KvKey, condition: KvCondition) -> Result<(), KvError> {
        self.write(project, Change::Delete(key.clone(), condition)).await.map(|_| ())
    }

    async fn increment(
        &self,
        project: &ProjectId,
        key: &KvKey,
        increment: KvIncrement,
    ) -> Result<i64, KvError> {
        check_ttl(increment.ttl)?;
        match self.write(project, Change::Increment(key.clone(), increment)).await? {
            Done::Sum(sum) => Ok(sum),
            _ => Err(KvError::Stopped),
        }
    }

    async fn list(&self, project: &ProjectId, list: KvList) -> Result<KvPage, KvError> {
        self.metrics.lists.increment(1);
        list::list(&self.store, project, list, self.clock.now_ms()).await
    }
}

#[async_trait]
impl ProjectLifecycle for KeyValueService {
    fn store(&self) -> &'static str {
        STORE
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        let failed = |error: KvError| PurgeError { store: STORE, source: Box::new(error) };
        while let Done::Purged(true) =
            self.enqueue(Some(project.clone()), Change::Purge, None).await.map_err(failed)?
        {}
        self.rules.forget(project).await;
        Ok(())
    }
}
