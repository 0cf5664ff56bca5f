//! Named keys: making, listing, rotating, revoking, removing.

use crate::audit::{Event, Operation, ResourceKind};
use crate::error::OperationError;
use crate::keyring::{self, KeyKind, NewMaterial};
use crate::kms::{Done, Kms, Scope};
use crate::names;
use crate::store::{KeyRow, NewVersion, Store, VersionRow};
use sql::Write;

/// A key with its versions, without what they hold.
pub(crate) struct KeyInfo {
    pub(crate) row: KeyRow,
    pub(crate) versions: Vec<VersionRow>,
}

fn event(scope: &Scope, operation: Operation, name: &str) -> Event {
    scope.event_on(operation, ResourceKind::Key, name)
}

impl Kms {
    /// Up to `limit` keys after the name `after`.
    pub(crate) async fn list_keys(
        &self,
        scope: &Scope,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeyRow>, OperationError> {
        let listed = self.store.keys(&scope.project, after, limit).await;
        self.recorded(scope.event(Operation::KeyList), listed.map(Done::plain).map_err(Into::into)).await
    }

    /// One key.
    pub(crate) async fn read_key(&self, scope: &Scope, name: &str) -> Result<KeyInfo, OperationError> {
        let read = self.key_info(scope, name).await;
        self.recorded(event(scope, Operation::KeyRead, name), read.map(Done::plain)).await
    }

    async fn key_info(&self, scope: &Scope, name: &str) -> Result<KeyInfo, OperationError> {
        let found = self.store.key(&scope.project, names::key(name)?).await?;
        let (row, versions) = found.ok_or(OperationError::KeyNotFound)?;
        Ok(KeyInfo { row, versions })
    }

    /// Makes a key with its first version.
    pub(crate) async fn create_key(
        &self,
        scope: &Scope,
        name: &str,
        kind: KeyKind,
    ) -> Result<(), OperationError> {
        let event = event(scope, Operation::KeyCreate, name);
        // Before the transaction: the project's own key may have to be made first, in one of its own.
        let ready = match names::key(name) {
            Ok(_) => self.keks.find_or_make(&self.store, &scope.project).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = ready {
            return self.recorded(event, Err(error)).await;
        }
        let mut write = self.begin(&event).await?;
        let made = async {
            let new = (&scope.project, name, kind.as_str());
            Store::insert_key(&mut write, new, self.config.keys_per_project_max).await?;
            self.add_version(&mut write, scope, (name, kind, 1)).await
        };
        let made = made.await;
        let created = self.committed(event, write, made).await;
        self.ring.forget(&scope.project, name);
        created.map(|_| ())
    }

    /// Makes a new version, which is the active one from then on; older ones still decrypt and verify.
    pub(crate) async fn rotate_key(&self, scope: &Scope, name: &str) -> Result<u32, OperationError> {
        self.rotate_from(scope, name, None).await
    }

    /// Rotates a key; where `from` is given, only if that version is still the active one.
    pub(crate) async fn rotate_from(
        &self,
        scope: &Scope,
        name: &str,
        from: Option<u32>,
    ) -> Result<u32, OperationError> {
        let event = event(scope, Operation::KeyRotate, name);
        let mut write = self.begin(&event).await?;
        let rotated = self.rotate_in(&mut write, scope, (name, from)).await;
        let version = self.committed(event, write, rotated).await;
        self.ring.forget(&scope.project, name);
        version
    }

    async fn rotate_in(
        &self,
        write: &mut Write,
        scope: &Scope,
        (name, from): (&str, Option<u32>),
    ) -> Result<Done<u32>, OperationError> {
        let row = Store::key_for_change(write, &scope.project, names::key(name)?).await?;
        if row.revoked_at.is_some() {
            return Err(OperationError::Revoked);
        }
        if from.is_some_and(|from| from != row.active) {
            return Err(OperationError::Rotated);
        }
        let max = self.config.key_versions_max;
        if row.active >= max {
            return Err(OperationError::TooManyVersions { max });
        }
        let kind = KeyKind::parse(&row.kind).ok_or(OperationError::Damaged { what: "key" })?;
        self.add_version(write, scope, (name, kind, row.active + 1)).await
    }

    async fn add_version(
        &self,
        write: &mut Write,
        scope: &Scope,
        (name, kind, version): (&str, KeyKind, u32),
    ) -> Result<Done<u32>, OperationError> {
        let project = &scope.project;
        let kek = self.keks.find(&self.store, project).await?.ok_or(OperationError::KeyNotFound)?;
        let made = NewMaterial::generate(kind)?;
        let material = keyring::seal(&kek, (project, name, version), &made)?;
        let new = NewVersion { project, name, version, material, public_key: made.public_key };
        Store::insert_version(write, &new).await?;
        Ok(Done { value: version, version: Some(version) })
    }

    /// Ends every use of a key, for good: what it holds is destroyed.
    pub(crate) async fn revoke_key(&self, scope: &Scope, name: &str) -> Result<(), OperationError> {
        let event = event(scope, Operation::KeyRevoke, name);
        let mut write = self.begin(&event).await?;
        let revoked = revoke_in(&mut write, scope, name).await;
        let revoked = self.committed(event, write, revoked.map(Done::plain)).await;
        self.ring.forget(&scope.project, name);
        revoked
    }

    /// Removes a key with all its versions.
    pub(crate) async fn delete_key(&self, scope: &Scope, name: &str) -> Result<(), OperationError> {
        let event = event(scope, Operation::KeyDelete, name);
        let mut write = self.begin(&event).await?;
        let deleted = match names::key(name) {
            Ok(name) => Store::delete_key(&mut write, &scope.project, name).await,
            Err(error) => Err(error),
        };
        let deleted = self.committed(event, write, deleted.map(Done::plain)).await;
        self.ring.forget(&scope.project, name);
        deleted
    }
}

async fn revoke_in(write: &mut Write, scope: &Scope, name: &str) -> Result<(), OperationError> {
    let row = Store::key_for_change(write, &scope.project, names::key(name)?).await?;
    match row.revoked_at {
        Some(_) => Ok(()),
        None => Ok(Store::revoke_key(write, &scope.project, name).await?),
    }
}
