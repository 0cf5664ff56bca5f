//! Named secrets: versioned values.

use super::crypt::check_size;
use crate::audit::{Operation, ResourceKind};
use crate::crypto::{self, Binding};
use crate::error::OperationError;
use crate::kms::{Done, Kms, Scope};
use crate::names;
use crate::store::{SecretLimits, SecretRow, Store};
use secrecy::SecretSlice;
use sql::Write;

/// The purpose of sealed values.
const PURPOSE: &str = "secret";

/// One version of a secret.
pub(crate) struct SecretValue {
    pub(crate) value: SecretSlice<u8>,
    pub(crate) version: u32,
    pub(crate) created_at: i64,
}

impl Kms {
    /// Up to `limit` secrets after the name `after`, without values.
    pub(crate) async fn list_secrets(
        &self,
        scope: &Scope,
        after: &str,
        limit: u32,
    ) -> Result<Vec<SecretRow>, OperationError> {
        let listed = self.store.secrets(&scope.project, after, limit).await;
        self.recorded(scope.event(Operation::SecretList), listed.map(Done::plain).map_err(Into::into)).await
    }

    /// Writes a new version and gives its number.
    pub(crate) async fn write_secret(
        &self,
        scope: &Scope,
        name: &str,
        value: &[u8],
    ) -> Result<u32, OperationError> {
        let event = scope.event_on(Operation::SecretWrite, ResourceKind::Secret, name);
        let checked =
            names::secret(name).and_then(|_| check_size("a secret", value, self.config.secret_bytes_max));
        // Before the transaction: the project's own key may have to be made first, in one of its own.
        let ready = match checked {
            Ok(()) => self.keks.find_or_make(&self.store, &scope.project).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = ready {
            return self.recorded(event, Err(error)).await;
        }
        let mut write = self.begin(&event).await?;
        let written = self.write_in(&mut write, scope, (name, value)).await;
        self.committed(event, write, written).await
    }

    async fn write_in(
        &self,
        write: &mut Write,
        scope: &Scope,
        (name, value): (&str, &[u8]),
    ) -> Result<Done<u32>, OperationError> {
        let limits = SecretLimits {
            secrets_max: self.config.secrets_per_project_max,
            versions_max: self.config.secret_versions_max.get(),
        };
        let project = &scope.project;
        let kek = self.keks.find(&self.store, project).await?.ok_or(OperationError::SecretNotFound)?;
        let version = Store::next_secret_version(write, project, name, &limits).await?;
        let sealed = crypto::seal(&kek, &Binding { project, purpose: PURPOSE, name, version }, value)?;
        let place = (project, name, version);
        Store::insert_secret_version(write, place, (&sealed, value.len()), &limits).await?;
        Ok(Done { value: version, version: Some(version) })
    }

    /// Reads one version, the newest where none is asked for.
    pub(crate) async fn read_secret(
        &self,
        scope: &Scope,
        name: &str,
        version: Option<u32>,
    ) -> Result<SecretValue, OperationError> {
        let read = self.reveal(scope, name, version).await;
        let event = scope.event_on(Operation::SecretRead, ResourceKind::Secret, name);
        self.recorded(event, read.map(|read| Done { version: Some(read.version), value: read })).await
    }

    async fn reveal(
        &self,
        scope: &Scope,
        name: &str,
        version: Option<u32>,
    ) -> Result<SecretValue, OperationError> {
        let (project, name) = (&scope.project, names::secret(name)?);
        let row = self.store.secret(project, name, version).await?;
        let kek = self.keks.find(&self.store, project).await?.ok_or(OperationError::SecretNotFound)?;
        let binding = Binding { project, purpose: PURPOSE, name, version: row.version };
        let value = crypto::open(&kek, &binding, &row.sealed).map_err(OperationError::stored("secret"))?;
        let value = SecretSlice::from(value.to_vec());
        Ok(SecretValue { value, version: row.version, created_at: row.created_at })
    }

    /// Removes a secret with all its versions.
    pub(crate) async fn delete_secret(&self, scope: &Scope, name: &str) -> Result<(), OperationError> {
        let event = scope.event_on(Operation::SecretDelete, ResourceKind::Secret, name);
        let mut write = self.begin(&event).await?;
        let deleted = match names::secret(name) {
            Ok(name) => Store::delete_secret(&mut write, &scope.project, name).await,
            Err(error) => Err(error),
        };
        self.committed(event, write, deleted.map(Done::plain)).await
    }
}
