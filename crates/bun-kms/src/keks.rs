//! Key-encryption keys of projects: made at the first need, unwrapped on use, held in memory up to a bound.

use crate::crypto::{Algorithm, Cipher, Key32};
use crate::error::OperationError;
use crate::root::RootKey;
use crate::store::Store;
use quick_cache::sync::Cache;
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The keys of this process.
pub(crate) struct Keks {
    root: RootKey,
    unwrapped: Cache<ProjectId, Arc<Cipher>>,
    /// Counts destroyed keys: what was read before one may not be kept after it.
    destroyed: AtomicU64,
}

impl Keks {
    pub(crate) fn new(root: RootKey, cached_max: usize) -> Self {
        Self { root, unwrapped: Cache::new(cached_max), destroyed: AtomicU64::new(0) }
    }

    /// The key of a project that has one.
    pub(crate) async fn find(
        &self,
        store: &Store,
        project: &ProjectId,
    ) -> Result<Option<Arc<Cipher>>, OperationError> {
        if let Some(kek) = self.unwrapped.get(project) {
            return Ok(Some(kek));
        }
        let destroyed = self.destroyed.load(Ordering::SeqCst);
        match store.wrapped_key(project).await? {
            None => Ok(None),
            Some(wrapped) => self.unwrap(project, &wrapped, destroyed).map(Some),
        }
    }

    /// The key of a project, which is made where it has none.
    pub(crate) async fn find_or_make(
        &self,
        store: &Store,
        project: &ProjectId,
    ) -> Result<Arc<Cipher>, OperationError> {
        if let Some(kek) = self.find(store, project).await? {
            return Ok(kek);
        }
        let destroyed = self.destroyed.load(Ordering::SeqCst);
        let wrapped = self.root.wrap(project, &Key32::generate()?)?;
        let kept = store.keep_wrapped_key(project, &wrapped).await?;
        self.unwrap(project, &kept, destroyed)
    }

    fn unwrap(
        &self,
        project: &ProjectId,
        wrapped: &[u8],
        destroyed: u64,
    ) -> Result<Arc<Cipher>, OperationError> {
        let damaged = OperationError::stored("key of a project");
        let key = self.root.unwrap(project, wrapped).map_err(damaged)?;
        let kek = Arc::new(Cipher::new(Algorithm::XChaCha20Poly1305, &key)?);
        self.unwrapped.insert(project.clone(), kek.clone());
        if self.destroyed.load(Ordering::SeqCst) != destroyed {
            self.unwrapped.remove(project);
        }
        Ok(kek)
    }

    /// Forgets a key that was destroyed in the store.
    pub(crate) fn forget(&self, project: &ProjectId) {
        self.destroyed.fetch_add(1, Ordering::SeqCst);
        self.unwrapped.remove(project);
    }
}
