//! What every operation shares: the tables, the keys in memory, and the rule that nothing is answered
//! before its line is in the audit log.
//!
//! What only looks or computes is recorded when it is done (`recorded`). What changes something is recorded
//! between the statements and their commit (`committed`): a change without a line does not exist, and a
//! commit that fails after its line gets a second line that says so.

use crate::audit::{Audit, AuditError, By, Event, Operation, ResourceKind};
use crate::config::KmsConfig;
use crate::crypto::Cipher;
use crate::error::OperationError;
use crate::keks::Keks;
use crate::keyring::{KeyRing, NamedKey};
use crate::metrics;
use crate::store::Store;
use ports::access::{AccessError, Grant};
use service_kit::error::Classify as _;
use service_kit::ids::ProjectId;
use sql::Write;
use std::sync::Arc;

/// Keys and secrets, inside.
pub(crate) struct Kms {
    pub(crate) config: KmsConfig,
    pub(crate) store: Store,
    pub(crate) keks: Keks,
    pub(crate) ring: KeyRing,
    pub(crate) audit: Audit,
    /// Seals the cursors of the audit list: where lines of others lie is not for callers to know. Made anew
    /// at each start.
    pub(crate) cursors: Cipher,
}

/// On whose behalf, in which project.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) project: ProjectId,
    pub(crate) by: By,
}

impl Scope {
    /// The project and caller of a grant.
    pub(crate) fn of(grant: &Grant) -> Result<Self, AccessError> {
        let project = grant.project.clone().ok_or(AccessError::ProjectNotFound)?;
        Ok(Self { project, by: By::from(grant) })
    }

    /// Another part of this server.
    pub(crate) fn service(project: &ProjectId) -> Self {
        Self { project: project.clone(), by: By::service() }
    }

    /// The line of an operation that is about no resource in particular.
    pub(crate) fn event(&self, operation: Operation) -> Event {
        Event { project: self.project.clone(), by: self.by.clone(), operation, resource: None, outcome: "ok" }
    }

    /// The line of an operation on a key or a secret. A name that is none is left out.
    pub(crate) fn event_on(&self, operation: Operation, kind: ResourceKind, name: &str) -> Event {
        let valid = match kind {
            ResourceKind::Key => crate::names::key(name).is_ok(),
            ResourceKind::Secret => crate::names::secret(name).is_ok(),
            ResourceKind::Purpose => true,
        };
        let resource = valid.then(|| (kind, name.to_owned(), None));
        Event { resource, ..self.event(operation) }
    }
}

/// What an operation gave, and which version it was about.
pub(crate) struct Done<T> {
    pub(crate) value: T,
    pub(crate) version: Option<u32>,
}

impl<T> Done<T> {
    /// Without a version.
    pub(crate) fn plain(value: T) -> Self {
        Self { value, version: None }
    }
}

impl Kms {
    /// Records an operation; only then its outcome may be told.
    pub(crate) async fn recorded<T>(
        &self,
        event: Event,
        outcome: Result<Done<T>, OperationError>,
    ) -> Result<T, OperationError> {
        match outcome {
            Ok(Done { value, version }) => {
                self.record(with_version(event, version)).await?;
                Ok(value)
            }
            Err(error) => {
                self.record(Event { outcome: error.code().as_str(), ..event }).await?;
                Err(error)
            }
        }
    }

    /// Begins a change. That it cannot begin is recorded.
    pub(crate) async fn begin(&self, event: &Event) -> Result<Write, OperationError> {
        match self.store.write().await {
            Ok(write) => Ok(write),
            Err(error) => self.recorded(event.clone(), Err(error.into())).await,
        }
    }

    /// Records a change and commits it, in this order; takes it back where it failed.
    pub(crate) async fn committed<T>(
        &self,
        event: Event,
        write: Write,
        outcome: Result<Done<T>, OperationError>,
    ) -> Result<T, OperationError> {
        let Done { value, version } = match outcome {
            Ok(done) => done,
            Err(error) => {
                drop(write);
                return self.recorded(event, Err(error)).await;
            }
        };
        let event = with_version(event, version);
        self.record(event.clone()).await?;
        match write.commit().await {
            Ok(()) => Ok(value),
            Err(error) => self.recorded(event, Err(error.into())).await,
        }
    }

    async fn record(&self, event: Event) -> Result<(), OperationError> {
        metrics::operation(event.operation.as_str());
        self.audit.record(event).await.map_err(|error| match error {
            AuditError::Busy => OperationError::Busy,
            AuditError::Closed => OperationError::Closed,
            error => OperationError::Audit(error),
        })
    }

    /// A named key, ready for use.
    pub(crate) async fn named_key(
        &self,
        project: &ProjectId,
        name: &str,
    ) -> Result<Arc<NamedKey>, OperationError> {
        let name = crate::names::key(name)?;
        if let Some(key) = self.ring.cached(project, name) {
            return Ok(key);
        }
        let kek = self.keks.find(&self.store, project).await?.ok_or(OperationError::KeyNotFound)?;
        self.ring.read(&self.store, &kek, (project, name)).await
    }
}

fn with_version(mut event: Event, version: Option<u32>) -> Event {
    if let (Some(resource), Some(_)) = (&mut event.resource, version) {
        resource.2 = version;
    }
    event
}

/// Runs a change to its end even where the caller goes away meanwhile: what was committed has to reach the
/// keys in memory.
pub(crate) async fn uninterrupted<T: Send + 'static>(
    change: impl Future<Output = Result<T, OperationError>> + Send + 'static,
) -> Result<T, OperationError> {
    tokio::spawn(change).await.unwrap_or(Err(OperationError::Closed))
}
