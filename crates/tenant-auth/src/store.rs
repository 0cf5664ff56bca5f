//! Documents of end users in the database of each project: the only place that knows their collections.
//! Conditions on versions make of every change one that happens wholly or not at all.

mod links;
mod sessions;
mod settings;
mod users;

pub(crate) use links::Link;
pub(crate) use sessions::Session;
pub(crate) use settings::{StoredKey, StoredKeys};
pub(crate) use users::{User, UserPage};

use crate::error::TenantAuthError;
use bson::RawDocumentBuf;
use ports::documents::{At, Condition, Documents, DocumentsError, Stored, Uniqueness, Write};
use quick_cache::sync::Cache;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service_kit::ids::ProjectId;
use std::sync::Arc;

/// Projects of which it is known that their indexes are in use.
const READY_MAX: usize = 50_000;

/// Something stored, with the version that a condition compares with.
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    pub(crate) version: u64,
}

/// The documents. Clones are the same store.
#[derive(Clone)]
pub(crate) struct Store {
    documents: Arc<dyn Documents>,
    ready: Arc<Cache<ProjectId, ()>>,
}

/// A write that is to be committed with others.
pub(crate) struct Pending(Write);

impl Store {
    pub(crate) fn new(documents: Arc<dyn Documents>) -> Self {
        Self { documents, ready: Arc::new(Cache::new(READY_MAX)) }
    }

    /// Declares the indexes of a project, once per process. Only where a key or a developer asks: nothing
    /// is made for strangers.
    pub(crate) async fn prepare(&self, project: &ProjectId) -> Result<(), TenantAuthError> {
        if self.ready.get(project).is_some() {
            return Ok(());
        }
        let declare = |collection, field: &'static str, unique| async move {
            self.documents.ensure_index(At { project, collection }, &[field], unique).await
        };
        declare(users::COLLECTION, "email", Uniqueness::Unique).await?;
        declare(sessions::COLLECTION, "user", Uniqueness::Shared).await?;
        self.ready.insert(project.clone(), ());
        Ok(())
    }

    /// Drops what is known of a project.
    pub(crate) fn forget(&self, project: &ProjectId) {
        self.ready.remove(project);
    }

    /// Commits all or none.
    ///
    /// # Errors
    /// `Changed` where a condition did not hold, `AccountExists` where the address is taken.
    pub(crate) async fn commit(
        &self,
        project: &ProjectId,
        writes: impl IntoIterator<Item = Pending>,
    ) -> Result<(), TenantAuthError> {
        let writes = writes.into_iter().map(|Pending(write)| write).collect();
        self.documents.write(project, writes).await.map_err(|error| match error {
            DocumentsError::Conflict | DocumentsError::NotFound => TenantAuthError::Changed,
            DocumentsError::Duplicate => TenantAuthError::AccountExists,
            other => other.into(),
        })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        project: &ProjectId,
        collection: &'static str,
        id: &str,
    ) -> Result<Option<Kept<T>>, TenantAuthError> {
        let found = self.documents.get(At { project, collection }, id).await?;
        found.map(|stored| read(collection, &stored)).transpose()
    }
}

fn read<T: DeserializeOwned>(what: &'static str, stored: &Stored) -> Result<Kept<T>, TenantAuthError> {
    let value = bson::deserialize_from_slice(stored.document.as_bytes())
        .map_err(|source| TenantAuthError::Unreadable { what, source: Box::new(source) })?;
    Ok(Kept { value, version: stored.version })
}

/// The condition that a document is as it was read: not there, or in that version.
fn as_read(version: Option<u64>) -> Condition {
    version.map_or(Condition::Absent, Condition::Version)
}

fn put<T: Serialize>(collection: &str, value: &T, condition: Condition) -> Result<Pending, TenantAuthError> {
    let document: RawDocumentBuf =
        bson::serialize_to_raw_document_buf(value).map_err(TenantAuthError::Encode)?;
    Ok(Pending(Write::Put { collection: collection.to_owned(), document, condition }))
}

fn delete(collection: &str, id: &str, condition: Condition) -> Pending {
    Pending(Write::Delete { collection: collection.to_owned(), id: id.to_owned(), condition })
}
