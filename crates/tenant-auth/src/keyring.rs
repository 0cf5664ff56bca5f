//! The keys of each project: Ed25519 keys that sign access tokens, and the secret of its other tokens.
//! Made when first needed, by one however many ask; sealed where they are stored; held open in memory for
//! the projects in use.
//!
//! What must hold: after a rotation the new key signs, and the old ones verify until the longest access
//! token has expired, in every process: each looks at the store again after `FRESH_MS`, and at once
//! (`RELOAD_MS`) when a token names a key that it does not know.

use crate::error::TenantAuthError;
use crate::project_config::ACCESS_TOKEN_MINUTES_MAX;
use crate::store::{Kept, Store, StoredKey, StoredKeys};
use crate::tokens::TokenSecret;
use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use ports::secrets::Secrets;
use quick_cache::sync::Cache;
use secrecy::ExposeSecret;
use service_kit::clock::Clock;
use service_kit::ids::ProjectId;
use service_kit::secret::NoRandomness;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Projects whose keys are held open.
const PROJECTS_MAX: usize = 10_000;
/// How old what is held may be.
const FRESH_MS: i64 = 30_000;
/// How often an unknown key sends us to the store.
const RELOAD_MS: i64 = 2_000;
/// Keys of one project that sign or verify.
const KEYS_MAX: usize = 10;
/// How long a key verifies after another took its place: the longest access token, and the time in which
/// other processes may still sign with it.
const RETIRED_MS: i64 = ACCESS_TOKEN_MINUTES_MAX as i64 * 60_000 + FRESH_MS + RELOAD_MS;
/// Locks under which keys are read and made.
const TURNS: usize = 16;

const TOKEN_SECRET_PURPOSE: &str = "end-users/token-secret";

/// A key that signs.
pub(crate) struct SigningKey {
    pub(crate) id: String,
    pub(crate) pair: Ed25519KeyPair,
}

/// A public key, as it is shown.
pub(crate) struct PublicKey {
    pub(crate) id: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) created_at: i64,
    /// When it stops to verify; `None` for the one that signs.
    pub(crate) until: Option<i64>,
}

/// The open keys of a project.
pub(crate) struct ProjectKeys {
    version: u64,
    loaded_at: i64,
    pub(crate) signing: Arc<SigningKey>,
    pub(crate) tokens: Arc<TokenSecret>,
    public: Vec<PublicKey>,
}

impl ProjectKeys {
    /// The public key of this id, where it verifies now.
    pub(crate) fn verifying(&self, id: &str, now: i64) -> Option<&[u8]> {
        self.public(now).find(|key| key.id == id).map(|key| key.bytes.as_slice())
    }

    /// The public keys that verify now, the newest first.
    pub(crate) fn public(&self, now: i64) -> impl Iterator<Item = &PublicKey> {
        self.public.iter().rev().filter(move |key| key.until.is_none_or(|until| now < until))
    }
}

/// The keys of all projects.
pub(crate) struct Keyring {
    store: Store,
    secrets: Arc<dyn Secrets>,
    clock: Clock,
    open: Cache<ProjectId, Arc<ProjectKeys>>,
    turns: [Mutex<()>; TURNS],
}

/// How recently the store must have been looked at.
#[derive(Clone, Copy)]
enum AtMost {
    Old(i64),
    Version(u64),
}

impl Keyring {
    pub(crate) fn new(store: Store, secrets: Arc<dyn Secrets>, clock: Clock) -> Self {
        let turns = std::array::from_fn(|_| Mutex::new(()));
        Self { store, secrets, clock, open: Cache::new(PROJECTS_MAX), turns }
    }

    /// The keys of a project, made where there are none.
    pub(crate) async fn needed(&self, project: &ProjectId) -> Result<Arc<ProjectKeys>, TenantAuthError> {
        if let Some(keys) = self.known(project).await? {
            return Ok(keys);
        }
        let _turn = self.turn(project).lock().await;
        if let Some(keys) = self.load(project, AtMost::Old(FRESH_MS)).await? {
            return Ok(keys);
        }
        let made = self.first(project).await?;
        // Another process may have been faster; its keys count then.
        self.store.put_keys(project, &made, None).await.or_else(lost)?;
        self.load(project, AtMost::Old(FRESH_MS)).await?.ok_or(TenantAuthError::Changed)
    }

    /// The keys of a project, where there are any. Makes none: strangers may ask for any project.
    pub(crate) async fn known(
        &self,
        project: &ProjectId,
    ) -> Result<Option<Arc<ProjectKeys>>, TenantAuthError> {
        match self.held(project, AtMost::Old(FRESH_MS)) {
            Some(keys) => Ok(Some(keys)),
            None => {
                let _turn = self.turn(project).lock().await;
                self.load(project, AtMost::Old(FRESH_MS)).await
            }
        }
    }

    /// The keys of a project, looked up again where `id` is not among them.
    pub(crate) async fn knowing(
        &self,
        project: &ProjectId,
        id: &str,
    ) -> Result<Option<Arc<ProjectKeys>>, TenantAuthError> {
        let known = self.known(project).await?;
        if known.as_ref().is_none_or(|keys| keys.public.iter().any(|key| key.id == id)) {
            return Ok(known);
        }
        let _turn = self.turn(project).lock().await;
        self.load(project, AtMost::Old(RELOAD_MS)).await
    }

    /// A new key signs from now on.
    pub(crate) async fn rotate(&self, project: &ProjectId) -> Result<Arc<ProjectKeys>, TenantAuthError> {
        self.needed(project).await?;
        let _turn = self.turn(project).lock().await;
        let stored = self.store.keys(project).await?.ok_or(TenantAuthError::Changed)?;
        let (now, mut keys) = (self.clock.now_ms(), stored.value);
        keys.keys.retain(|key| key.retired_at.is_none_or(|at| now < at + RETIRED_MS));
        if keys.keys.len() >= KEYS_MAX {
            return Err(TenantAuthError::KeysLimit);
        }
        for key in keys.keys.iter_mut().filter(|key| key.retired_at.is_none()) {
            key.retired_at = Some(now);
        }
        keys.keys.push(self.signing_key(project).await?);
        self.store.put_keys(project, &keys, Some(stored.version)).await?;
        tracing::info!(%project, "a new key signs the tokens of end users");
        let at_least = AtMost::Version(stored.version + 1);
        self.load(project, at_least).await?.ok_or(TenantAuthError::Changed)
    }

    /// Drops what is held of a project.
    pub(crate) fn forget(&self, project: &ProjectId) {
        self.open.remove(project);
    }

    fn turn(&self, project: &ProjectId) -> &Mutex<()> {
        let number = project.as_str().bytes().last().unwrap_or_default();
        &self.turns[usize::from(number) % TURNS]
    }

    fn held(&self, project: &ProjectId, at_most: AtMost) -> Option<Arc<ProjectKeys>> {
        let now = self.clock.now_ms();
        self.open.get(project).filter(|keys| match at_most {
            AtMost::Old(age) => (0..age).contains(&(now - keys.loaded_at)),
            AtMost::Version(version) => keys.version >= version,
        })
    }

    /// Looks at the store unless what is held is good enough; opens only what changed. Under the
    /// project's turn.
    async fn load(
        &self,
        project: &ProjectId,
        at_most: AtMost,
    ) -> Result<Option<Arc<ProjectKeys>>, TenantAuthError> {
        if let Some(keys) = self.held(project, at_most) {
            return Ok(Some(keys));
        }
        let loaded_at = self.clock.now_ms();
        let Some(stored) = self.store.keys(project).await? else { return Ok(None) };
        let before = self.open.get(project).filter(|keys| keys.version == stored.version);
        let keys = match before {
            Some(same) => ProjectKeys {
                version: same.version,
                loaded_at,
                signing: same.signing.clone(),
                tokens: same.tokens.clone(),
                public: public(&stored.value),
            },
            None => self.opened(project, &stored, loaded_at).await?,
        };
        let keys = Arc::new(keys);
        self.open.insert(project.clone(), keys.clone());
        Ok(Some(keys))
    }

    async fn opened(
        &self,
        project: &ProjectId,
        stored: &Kept<StoredKeys>,
        loaded_at: i64,
    ) -> Result<ProjectKeys, TenantAuthError> {
        let Kept { value, version } = stored;
        let secret = self.secrets.open(project, TOKEN_SECRET_PURPOSE, &value.token_secret.bytes).await?;
        let newest = value.keys.iter().find(|key| key.retired_at.is_none()).ok_or(TenantAuthError::Key)?;
        let seed = self.secrets.open(project, &key_purpose(&newest.id), &newest.sealed.bytes).await?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed.expose_secret(), &newest.public.bytes)
            .map_err(|_| TenantAuthError::Key)?;
        Ok(ProjectKeys {
            version: *version,
            loaded_at,
            signing: Arc::new(SigningKey { id: newest.id.clone(), pair }),
            tokens: Arc::new(TokenSecret::new(secret.expose_secret())),
            public: public(value),
        })
    }

    async fn first(&self, project: &ProjectId) -> Result<StoredKeys, TenantAuthError> {
        let mut secret = [0_u8; 32];
        getrandom::fill(&mut secret).map_err(|_| NoRandomness)?;
        let token_secret = self.secrets.seal(project, TOKEN_SECRET_PURPOSE, &secret).await?;
        let keys = vec![self.signing_key(project).await?];
        Ok(StoredKeys::new(token_secret, keys))
    }

    async fn signing_key(&self, project: &ProjectId) -> Result<StoredKey, TenantAuthError> {
        let mut id = [0_u8; 16];
        getrandom::fill(&mut id).map_err(|_| NoRandomness)?;
        let id = hex::encode(id);
        let pair = Ed25519KeyPair::generate().map_err(|_| TenantAuthError::Key)?;
        let seed = pair.seed().and_then(|seed| seed.as_be_bytes()).map_err(|_| TenantAuthError::Key)?;
        let sealed = self.secrets.seal(project, &key_purpose(&id), seed.as_ref()).await?;
        Ok(StoredKey::new(id, pair.public_key().as_ref(), sealed, self.clock.now_ms()))
    }
}

fn key_purpose(id: &str) -> String {
    format!("end-users/signing-key/{id}")
}

fn public(stored: &StoredKeys) -> Vec<PublicKey> {
    let shown = |key: &StoredKey| PublicKey {
        id: key.id.clone(),
        bytes: key.public.bytes.clone(),
        created_at: key.created_at,
        until: key.retired_at.map(|at| at + RETIRED_MS),
    };
    stored.keys.iter().map(shown).collect()
}

/// Losing a race is no failure: the winner's keys are there.
fn lost(error: TenantAuthError) -> Result<(), TenantAuthError> {
    match error {
        TenantAuthError::Changed => Ok(()),
        error => Err(error),
    }
}
