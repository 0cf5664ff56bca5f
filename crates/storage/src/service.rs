//! The service: what its handlers share, and what the rest of the system calls.

use crate::config::{StorageConfig, StorageDeps};
use crate::error::StorageError;
use crate::files::{FileId, Files};
use crate::metrics::Metrics;
use crate::signature::{KEY_BYTES, Permission};
use crate::store::{Store, objects, projects};
use crate::transfers::Transfers;
use crate::upload::{self, Target};
use crate::{download, http, list};
use async_trait::async_trait;
use ports::access::Access;
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use ports::objects::{
    ObjectCondition, ObjectError, ObjectInfo, ObjectList, ObjectName, ObjectPage, ObjectRange, ObjectRead,
    ObjectStore, PutObject,
};
use routes::ServiceRoutes;
use rules::{PathRules, RuleList, RulesCache, Separator};
use service_kit::clock::Clock;
use service_kit::drain::Drain;
use service_kit::error::ApiError;
use service_kit::ids::ProjectId;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The name under which the store stands in a project's tombstone.
const STORE: &str = "objects";
/// Projects whose rules are kept in memory.
const RULED_PROJECTS_MAX: usize = 1_000;

/// What a project may keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) object_bytes_max: u64,
    pub(crate) objects_max: u64,
    pub(crate) bytes_max: u64,
}

/// What transfers share.
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) files: Arc<Files>,
    pub(crate) transfers: Arc<Transfers>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) body_idle_max: Duration,
    /// Projects that were removed: what was on the way does not bring them back.
    removed: Mutex<HashSet<ProjectId>>,
    drain: Drain,
}

/// The objects of every project.
pub struct StorageService {
    pub(crate) inner: Arc<Inner>,
    public_url: String,
    rules: RulesCache<ProjectId>,
}

impl StorageService {
    /// Brings tables and directories up to date; what earlier uploads left is removed, in part in the
    /// background.
    ///
    /// # Errors
    /// The database or the directory cannot be used, or is newer than this program.
    pub async fn start(config: StorageConfig, deps: StorageDeps) -> Result<Arc<Self>, StorageError> {
        Self::start_at(config, deps, Clock::system()).await
    }

    /// `start`, with another clock.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_at(
        config: StorageConfig,
        deps: StorageDeps,
        clock: Clock,
    ) -> Result<Arc<Self>, StorageError> {
        let inner = Arc::new(Inner {
            store: Store::open(deps.database).await?,
            files: Files::open(deps.directory).await?,
            transfers: Transfers::new(config.transfers_max.get()),
            metrics: Metrics::register(),
            clock,
            limits: Limits {
                object_bytes_max: config.object_bytes_max.get(),
                objects_max: config.objects_per_project_max.get(),
                bytes_max: config.bytes_per_project_max.get(),
            },
            body_idle_max: Duration::from_millis(config.body_idle_ms_max.get()),
            removed: Mutex::default(),
            drain: Drain::new(),
        });
        let service = Arc::new(Self {
            public_url: deps.public_url.trim_end_matches('/').to_owned(),
            rules: RulesCache::new(Separator::Slash, RULED_PROJECTS_MAX),
            inner,
        });
        tokio::spawn(sweep_once(service.inner.clone()));
        Ok(service)
    }

    /// The routes, each under `/v1` and `/v1/projects/{project}`, and the one of signed addresses.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        http::routes(self, access)
    }

    /// Takes no new objects, and waits for those that are being put.
    pub async fn shutdown(&self) {
        self.inner.drain.start();
        if !self.inner.drain.finished().await {
            tracing::warn!("uploads did not end in time");
        }
    }

    /// Removes the files that no object has, as it happens in the background after a start; returns how
    /// many there were.
    ///
    /// # Errors
    /// The directory or the table cannot be read.
    pub async fn sweep_orphans(&self) -> Result<usize, StorageError> {
        self.inner.sweep_orphans().await
    }

    /// An absolute address that allows this.
    pub(crate) async fn signed_url(&self, permission: Permission<'_>) -> Result<String, ObjectError> {
        let key = self.inner.signing_key(permission.project).await?;
        Ok(format!("{}{}", self.public_url, permission.path_and_query(&key)))
    }

    /// Whether `signature` allows this, now.
    pub(crate) async fn is_allowed(
        &self,
        permission: Permission<'_>,
        signature: &str,
    ) -> Result<bool, ObjectError> {
        if permission.expires.saturating_mul(1_000) <= self.inner.clock.now_ms() {
            return Ok(false);
        }
        let key = self.inner.store.signing_key(permission.project).await.map_err(StorageError::from)?;
        Ok(key.is_some_and(|key| permission.is_signed(&key, signature)))
    }

    /// Ends every signed address of a project.
    pub(crate) async fn revoke_signed_urls(&self, project: &ProjectId) -> Result<(), StorageError> {
        let mut write = self.inner.store.write().await?;
        projects::forget_signing_key(&mut write, project).await?;
        write.commit().await.map_err(|error| StorageError::Sql(error.into()))
    }

    /// The rules of a project, compiled.
    pub(crate) async fn rules(&self, project: &ProjectId) -> Result<Arc<PathRules>, ApiError> {
        self.rules.get(project, async { Ok(self.stored_rules(project).await?.rules) }).await
    }

    /// The rules of a project as they were written.
    pub(crate) async fn stored_rules(&self, project: &ProjectId) -> Result<RuleList, ApiError> {
        let Some(text) = self.inner.store.rules(project).await? else { return Ok(RuleList::default()) };
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
            let save = service.inner.save_rules(&project, &text);
            service.rules.replace(&project, list.rules, save).await
        });
        saving.await.map_err(|error| ApiError::internal(&error))?
    }
}

impl Inner {
    /// Whether the project was removed; ask it with the transaction open.
    pub(crate) fn is_removed(&self, project: &ProjectId) -> bool {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner).contains(project)
    }

    /// Holds back the end until the answer is dropped.
    pub(crate) fn work(&self) -> TaskTrackerToken {
        self.drain.work()
    }

    fn is_stopped(&self) -> Result<(), ObjectError> {
        if self.drain.is_started() { Err(ObjectError::Stopped) } else { Ok(()) }
    }

    /// The key that signs a project's addresses; made when it is first needed.
    async fn signing_key(&self, project: &ProjectId) -> Result<Vec<u8>, ObjectError> {
        let key = self.store.signing_key(project).await.map_err(StorageError::from)?;
        if let Some(key) = key {
            return Ok(key);
        }
        let mut new = [0_u8; KEY_BYTES];
        getrandom::fill(&mut new).map_err(|_| StorageError::NoRandomness)?;
        let mut write = self.store.write().await.map_err(StorageError::from)?;
        if self.is_removed(project) {
            return Err(ObjectError::Stopped);
        }
        let key = projects::keep_signing_key(&mut write, project, &new).await.map_err(StorageError::from)?;
        write.commit().await.map_err(|error| StorageError::Sql(error.into()))?;
        Ok(key)
    }

    async fn save_rules(&self, project: &ProjectId, text: &str) -> Result<(), ApiError> {
        let mut write = self.store.write().await?;
        if self.is_removed(project) {
            return Err(ObjectError::Stopped.into());
        }
        projects::save_rules(&mut write, project, text).await?;
        Ok(write.commit().await.map_err(|error| StorageError::Sql(error.into()))?)
    }

    async fn sweep_orphans(&self) -> Result<usize, StorageError> {
        let mut removed = 0;
        for shard in Files::shards() {
            if self.drain.is_started() {
                break;
            }
            let finished = self.files.finished(&shard).await?;
            if finished.is_empty() {
                continue;
            }
            let named = self.store.named_files(&shard).await?;
            for orphan in finished.iter().filter(|file| !named.contains(file.as_str())) {
                self.files.remove(orphan).await;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn delete(
        &self,
        project: &ProjectId,
        name: &ObjectName,
        condition: &ObjectCondition,
    ) -> Result<(), ObjectError> {
        let mut write = self.store.write().await.map_err(StorageError::from)?;
        let found = objects::object(&mut write, project, name.as_str()).await.map_err(StorageError::from)?;
        upload::check(condition, found.as_ref())?;
        let row = found.ok_or(ObjectError::NotFound)?;
        let mut usage = projects::usage(&mut write, project).await.map_err(StorageError::from)?;
        usage.objects -= 1;
        usage.bytes -= row.size;
        objects::delete(&mut write, project, name.as_str()).await.map_err(StorageError::from)?;
        projects::save_usage(&mut write, project, usage).await.map_err(StorageError::from)?;
        write.commit().await.map_err(|error| StorageError::Sql(error.into()))?;
        if let Some(file) = row.file_id() {
            self.files.remove(&file).await;
        }
        Ok(())
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), StorageError> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner).insert(project.clone());
        loop {
            let mut write = self.store.write().await?;
            let files = objects::delete_some(&mut write, project).await?;
            if files.is_empty() {
                projects::delete(&mut write, project).await?;
            }
            write.commit().await.map_err(|error| StorageError::Sql(error.into()))?;
            if files.is_empty() {
                return Ok(());
            }
            for file in files.iter().filter_map(|file| FileId::parse(file)) {
                self.files.remove(&file).await;
            }
        }
    }
}

async fn sweep_once(inner: Arc<Inner>) {
    match inner.sweep_orphans().await {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "files that no object has were removed"),
        Err(error) => tracing::warn!(%error, "files that no object has could not be looked for"),
    }
}

#[async_trait]
impl ObjectStore for StorageService {
    async fn put(
        &self,
        project: &ProjectId,
        name: &ObjectName,
        object: PutObject,
    ) -> Result<ObjectInfo, ObjectError> {
        self.inner.is_stopped()?;
        let _work = self.inner.drain.work();
        let condition = object.condition.clone();
        let target = Target { project: project.clone(), name: name.clone(), condition };
        let put = upload::put(&self.inner, target, object).await;
        if put.is_err() {
            self.inner.metrics.abandoned.increment(1);
        }
        put
    }

    async fn get(
        &self,
        project: &ProjectId,
        name: &ObjectName,
        range: ObjectRange,
    ) -> Result<ObjectRead, ObjectError> {
        download::get(&self.inner, project, name, range).await
    }

    async fn head(&self, project: &ProjectId, name: &ObjectName) -> Result<ObjectInfo, ObjectError> {
        let row = self.inner.store.object(project, name.as_str()).await.map_err(StorageError::from)?;
        row.ok_or(ObjectError::NotFound)?.info()
    }

    async fn delete(
        &self,
        project: &ProjectId,
        name: &ObjectName,
        condition: ObjectCondition,
    ) -> Result<(), ObjectError> {
        self.inner.is_stopped()?;
        let work = self.inner.work();
        let (inner, project, name) = (self.inner.clone(), project.clone(), name.clone());
        // It goes on also where the caller goes away: the file goes with its row.
        let deleting = tokio::spawn(async move {
            let _work = work;
            inner.delete(&project, &name, &condition).await
        });
        deleting.await.map_err(|error| ObjectError::Failed(Box::new(error)))?
    }

    async fn list(&self, project: &ProjectId, list: ObjectList) -> Result<ObjectPage, ObjectError> {
        list::list(&self.inner.store, project, list).await
    }
}

#[async_trait]
impl ProjectLifecycle for StorageService {
    fn store(&self) -> &'static str {
        STORE
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        let purged = self.inner.purge(project).await;
        purged.map_err(|error| PurgeError { store: STORE, source: Box::new(error) })?;
        self.rules.forget(project).await;
        Ok(())
    }
}
