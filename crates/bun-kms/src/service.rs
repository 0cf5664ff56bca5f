//! The service: built from settings, a database and a directory; hands out routes, and the traits that other
//! services ask.

use crate::audit::{Audit, AuditError, AuditOptions, AuditReport};
use crate::config::KmsConfig;
use crate::crypto::{Algorithm, Cipher, Key32};
use crate::error::KmsError;
use crate::http;
use crate::keks::Keks;
use crate::keyring::KeyRing;
use crate::kms::{Kms, Scope, uninterrupted};
use crate::root::RootKey;
use crate::store::Store;
use async_trait::async_trait;
use ports::access::Access;
use ports::lifecycle::{ProjectLifecycle, PurgeError};
use ports::secrets::{Secrets, SecretsError};
use routes::ServiceRoutes;
use secrecy::SecretSlice;
use service_kit::ids::ProjectId;
use sql::Database;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The name under which the store stands in a project's tombstone.
const STORE: &str = "secrets";

/// What the service is built from besides its settings.
pub struct KmsDeps {
    /// The file `kms.db`, opened with `Durability::Full`.
    pub database: Database,
    /// Where `root.key` and the audit log are.
    pub data_dir: PathBuf,
}

/// Keys and secrets of projects.
pub struct KmsService {
    kms: Arc<Kms>,
}

impl KmsService {
    /// Starts: finds the root key and checks it, opens the audit log and checks its newest file.
    ///
    /// # Errors
    /// The root key is missing, wrong or readable by others; the audit log is broken or cannot be written;
    /// the database cannot be read. The text says what to do.
    pub async fn start(config: KmsConfig, deps: KmsDeps) -> Result<Arc<Self>, KmsError> {
        let KmsDeps { database, data_dir } = deps;
        let store = Store::open(database).await?;
        let root = RootKey::load(&config, &data_dir, &store).await?;
        let (file_bytes_max, queue_max) = (config.audit_file_bytes_max, config.audit_queue_max.get());
        let known = store.audit_head().await?;
        let opened = tokio::task::spawn_blocking(move || {
            Audit::start(&AuditOptions { directory: &data_dir, file_bytes_max, queue_max, known })
        });
        let (audit, head) = opened.await.unwrap_or(Err(AuditError::Closed))?;
        store.set_audit_head(&head).await?;
        let keks = Keks::new(root, config.projects_cached_max.get());
        let ring = KeyRing::new(config.keys_cached_max.get());
        let cursors = Cipher::new(Algorithm::XChaCha20Poly1305, &Key32::generate()?)?;
        Ok(Arc::new(Self { kms: Arc::new(Kms { config, store, keks, ring, audit, cursors }) }))
    }

    /// The routes, under `/v1/kms` and `/v1/projects/{project}/kms`.
    pub fn routes(self: &Arc<Self>, access: Arc<dyn Access>) -> ServiceRoutes {
        http::routes(&self.kms, access)
    }

    /// What other services ask.
    pub fn secrets(self: &Arc<Self>) -> Arc<dyn Secrets> {
        self.clone()
    }

    /// Checks every file of the audit log, line by line; takes about a second for 300 MB.
    ///
    /// # Errors
    /// The first line that is not what was written, or a file that is missing.
    pub async fn verify_audit(&self) -> Result<AuditReport, AuditError> {
        self.kms.audit.verify().await
    }

    /// Whether operations are answered.
    ///
    /// # Errors
    /// Why not.
    pub fn ready(&self) -> Result<(), String> {
        if self.kms.audit.is_writing() { Ok(()) } else { Err("the audit log cannot be written".to_owned()) }
    }

    /// Writes the audit lines that wait and remembers the last one; operations that come later are refused.
    pub async fn shutdown(&self) {
        let Some(head) = self.kms.audit.close().await else { return };
        if let Err(error) = self.kms.store.set_audit_head(&head).await {
            tracing::warn!(%error, "the end of the audit log could not be remembered");
        }
    }
}

#[async_trait]
impl Secrets for KmsService {
    async fn seal(
        &self,
        project: &ProjectId,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SecretsError> {
        Ok(self.kms.seal(&Scope::service(project), purpose, plaintext).await?)
    }

    async fn open(
        &self,
        project: &ProjectId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, SecretsError> {
        Ok(self.kms.open(&Scope::service(project), purpose, sealed).await?)
    }

    async fn put(&self, project: &ProjectId, name: &str, value: &[u8]) -> Result<u32, SecretsError> {
        let (kms, scope) = (self.kms.clone(), Scope::service(project));
        let (name, value) = (name.to_owned(), Zeroizing::new(value.to_vec()));
        Ok(uninterrupted(async move { kms.write_secret(&scope, &name, &value).await }).await?)
    }

    async fn get(&self, project: &ProjectId, name: &str) -> Result<SecretSlice<u8>, SecretsError> {
        Ok(self.kms.read_secret(&Scope::service(project), name, None).await?.value)
    }

    async fn delete(&self, project: &ProjectId, name: &str) -> Result<(), SecretsError> {
        let (kms, scope, name) = (self.kms.clone(), Scope::service(project), name.to_owned());
        Ok(uninterrupted(async move { kms.delete_secret(&scope, &name).await }).await?)
    }
}

#[async_trait]
impl ProjectLifecycle for KmsService {
    fn store(&self) -> &'static str {
        STORE
    }

    async fn purge(&self, project: &ProjectId) -> Result<(), PurgeError> {
        let (kms, scope) = (self.kms.clone(), Scope::service(project));
        let purged = uninterrupted(async move { kms.purge(&scope).await }).await;
        purged.map_err(|error| PurgeError { store: STORE, source: Box::new(error) })
    }
}
