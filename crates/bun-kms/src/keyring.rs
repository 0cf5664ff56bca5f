//! Named keys, unwrapped and ready, held in memory up to a bound. A change of a key drops it from here
//! before the change is answered.

mod budget;
mod material;

pub(crate) use budget::{BLOCK, Budget};
pub(crate) use material::{KeyKind, Material, NewMaterial};

use crate::crypto::{self, Binding, Cipher};
use crate::error::OperationError;
use crate::store::{KeyRow, Store, VersionRow};
use quick_cache::sync::Cache;
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The purpose of sealed key material.
const PURPOSE: &str = "key";

/// A key with all its versions.
pub(crate) struct NamedKey {
    pub(crate) kind: KeyKind,
    /// Oldest first; the last is the active one. Empty where the key is revoked.
    versions: Vec<KeyVersion>,
    /// How much of the active version may still be used.
    pub(crate) budget: Budget,
}

/// One version, ready.
pub(crate) struct KeyVersion {
    pub(crate) version: u32,
    pub(crate) material: Material,
}

impl NamedKey {
    /// The version that encrypts and signs.
    ///
    /// # Errors
    /// The key is revoked.
    pub(crate) fn active(&self) -> Result<&KeyVersion, OperationError> {
        self.versions.last().ok_or(OperationError::Revoked)
    }

    /// The version with a number.
    pub(crate) fn version(&self, version: u32) -> Result<&KeyVersion, OperationError> {
        self.active()?;
        let found = self.versions.iter().find(|found| found.version == version);
        found.ok_or(OperationError::NotSealedHere)
    }

    /// Every version, the active one first.
    ///
    /// # Errors
    /// The key is revoked.
    pub(crate) fn newest_first(&self) -> Result<impl Iterator<Item = &KeyVersion>, OperationError> {
        self.active()?;
        Ok(self.versions.iter().rev())
    }
}

type Place = (ProjectId, Box<str>);

/// The keys of this process.
pub(crate) struct KeyRing {
    ready: Cache<Place, Arc<NamedKey>>,
    /// Counts changes: what was read before one may not be kept after it.
    changes: AtomicU64,
}

impl KeyRing {
    pub(crate) fn new(keys_max: usize) -> Self {
        Self { ready: Cache::new(keys_max), changes: AtomicU64::new(0) }
    }

    /// The key that is in memory.
    pub(crate) fn cached(&self, project: &ProjectId, name: &str) -> Option<Arc<NamedKey>> {
        self.ready.get(&(project.clone(), name.into()))
    }

    /// Reads a key, unwraps it with its project's `kek` and holds it.
    pub(crate) async fn read(
        &self,
        store: &Store,
        kek: &Cipher,
        (project, name): (&ProjectId, &str),
    ) -> Result<Arc<NamedKey>, OperationError> {
        let changes = self.changes.load(Ordering::SeqCst);
        let (row, versions) = store.key(project, name).await?.ok_or(OperationError::KeyNotFound)?;
        let key = Arc::new(unwrap(kek, project, &row, versions)?);
        let place = (project.clone(), Box::from(name));
        self.ready.insert(place.clone(), key.clone());
        if self.changes.load(Ordering::SeqCst) != changes {
            self.ready.remove(&place);
        }
        Ok(key)
    }

    /// Forgets a key that was changed in the store.
    pub(crate) fn forget(&self, project: &ProjectId, name: &str) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.ready.remove(&(project.clone(), name.into()));
    }

    /// Forgets every key of a project.
    pub(crate) fn forget_project(&self, project: &ProjectId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.ready.retain(|(of, _), _| of != project);
    }
}

/// Seals the material of a new version.
pub(crate) fn seal(
    kek: &Cipher,
    (project, name, version): (&ProjectId, &str, u32),
    material: &NewMaterial,
) -> Result<Vec<u8>, OperationError> {
    let binding = Binding { project, purpose: PURPOSE, name, version };
    Ok(crypto::seal(kek, &binding, material.secret())?)
}

fn unwrap(
    kek: &Cipher,
    project: &ProjectId,
    row: &KeyRow,
    versions: Vec<VersionRow>,
) -> Result<NamedKey, OperationError> {
    const DAMAGED: OperationError = OperationError::Damaged { what: "key" };
    let kind = KeyKind::parse(&row.kind).ok_or(DAMAGED)?;
    let mut ready = Vec::with_capacity(versions.len());
    let mut reserved = 0;
    for VersionRow { version, material, messages, .. } in versions {
        let Some(sealed) = material.filter(|_| row.revoked_at.is_none()) else { continue };
        let binding = Binding { project, purpose: PURPOSE, name: &row.name, version };
        let secret = crypto::open(kek, &binding, &sealed).map_err(OperationError::stored("key"))?;
        ready.push(KeyVersion { version, material: Material::new(kind, &secret).ok_or(DAMAGED)? });
        reserved = messages.unsigned_abs();
    }
    Ok(NamedKey { kind, versions: ready, budget: Budget::new(reserved) })
}
