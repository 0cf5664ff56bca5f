//! What happens to the keys of a project.

use crate::error::PlatformError;
use crate::keys::{KEY_NAME_DEFAULT, Minted, mint, parse_kind};
use crate::naming::display_name;
use crate::projects::project_of;
use crate::service::PlatformService;
use crate::store::{KeyRow, Rotation};
use ports::access::{Grant, KeyKind};
use secrecy::SecretString;
use service_kit::clock::now_ms;
use service_kit::ids::KeyId;

/// The longest that the old text of a rotated key may stay valid, in seconds: a day.
const GRACE_SECONDS_MAX: u32 = 24 * 60 * 60;

/// A key with a new text.
pub(crate) struct Rotated {
    pub(crate) row: KeyRow,
    /// The text, where it is a secret key.
    pub(crate) secret: Option<SecretString>,
}

impl PlatformService {
    /// The keys of a project.
    pub(crate) async fn list_keys(&self, grant: &Grant) -> Result<Vec<KeyRow>, PlatformError> {
        Ok(self.access.store.keys(project_of(grant)?).await?)
    }

    /// Makes a key.
    pub(crate) async fn create_key(
        &self,
        grant: &Grant,
        kind: KeyKind,
        name: Option<&str>,
    ) -> Result<Minted, PlatformError> {
        let minted = mint(kind, display_name(name.unwrap_or(KEY_NAME_DEFAULT))?)?;
        let project = project_of(grant)?;
        self.access.store.create_key(project, &minted.row, self.config.keys_per_project_max).await?;
        tracing::info!(%project, key = %minted.row.id, "key created");
        Ok(minted)
    }

    /// Gives a key a new text; the old one is valid for the grace, and the one before ends at once.
    pub(crate) async fn rotate_key(
        &self,
        grant: &Grant,
        key: &str,
        grace_seconds: u32,
    ) -> Result<Rotated, PlatformError> {
        if grace_seconds > GRACE_SECONDS_MAX {
            return Err(PlatformError::InvalidGrace { max: GRACE_SECONDS_MAX });
        }
        let key = KeyId::parse(key).map_err(|_| PlatformError::KeyNotFound)?;
        let project = project_of(grant)?;
        let kind = self.access.store.key_kind(project, &key).await?.ok_or(PlatformError::KeyNotFound)?;
        let kind = parse_kind(&kind)?;
        let minted = mint(kind, KEY_NAME_DEFAULT.to_owned())?;
        let rotation = Rotation {
            project,
            key: &key,
            hash: minted.row.hash,
            public_key: minted.row.public_key.as_deref(),
            last4: &minted.row.last4,
            old_until: (grace_seconds > 0).then(|| now_ms() + i64::from(grace_seconds) * 1000),
        };
        let rotated = self.access.store.rotate_key(&rotation).await?;
        let (row, before) = rotated.ok_or(PlatformError::KeyNotFound)?;
        self.access.keys.forget(&before);
        tracing::info!(%project, %key, grace_seconds, "key rotated");
        Ok(Rotated { row, secret: (kind == KeyKind::Secret).then_some(minted.text) })
    }

    /// Revokes a key, at once, with what is left of its old text.
    pub(crate) async fn revoke_key(&self, grant: &Grant, key: &str) -> Result<(), PlatformError> {
        let key = KeyId::parse(key).map_err(|_| PlatformError::KeyNotFound)?;
        let project = project_of(grant)?;
        let hashes = self.access.store.delete_key(project, &key).await?;
        self.access.keys.forget(&hashes.ok_or(PlatformError::KeyNotFound)?);
        tracing::info!(%project, %key, "key revoked");
        Ok(())
    }
}
