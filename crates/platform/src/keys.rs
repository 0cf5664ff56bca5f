//! Project keys: making them, and finding the one that a request brought along. A key that was seen
//! before is found in memory; when it was last used is written once a minute.

use crate::error::PlatformError;
use crate::metrics;
use crate::store::{NewKey, Store, StoredKey};
use ports::access::KeyKind;
use quick_cache::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use service_kit::clock::now_ms;
use service_kit::ids::{KeyId, ProjectId};
use service_kit::secret::{NoRandomness, TokenHash, generate};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Keys held in memory; others are read from the store.
const CACHED_MAX: usize = 100_000;
/// Unknown keys held in memory, so that repeating one costs no SQL.
const UNKNOWN_MAX: usize = 10_000;
/// Characters of a key: its prefix and 256 bits in hex.
const KEY_LEN: usize = 3 + 64;
/// Characters at the end of a key that are shown in lists.
const LAST_LEN: usize = 4;

/// The name of a key that was given none.
pub(crate) const KEY_NAME_DEFAULT: &str = "default";

/// The prefix of keys of a kind.
pub(crate) fn prefix(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Public => "pk_",
        KeyKind::Secret => "sk_",
    }
}

/// A new key: what is kept of it, and its text, which is shown this once.
pub(crate) struct Minted {
    pub(crate) row: NewKey,
    pub(crate) text: SecretString,
}

/// Makes a key.
pub(crate) fn mint(kind: KeyKind, name: String) -> Result<Minted, NoRandomness> {
    let text = generate(prefix(kind))?;
    let shown = text.expose_secret();
    let row = NewKey {
        id: KeyId::generate(),
        kind,
        name,
        hash: TokenHash::of(&text),
        public_key: (kind == KeyKind::Public).then(|| shown.to_owned()),
        last4: shown[shown.len() - LAST_LEN..].to_owned(),
        created_at: now_ms(),
    };
    Ok(Minted { row, text })
}

/// Reads the kind of a key as it is stored.
pub(crate) fn parse_kind(text: &str) -> Result<KeyKind, PlatformError> {
    match text {
        "public" => Ok(KeyKind::Public),
        "secret" => Ok(KeyKind::Secret),
        _ => Err(PlatformError::Unreadable { what: "kind of a key" }),
    }
}

/// A key that was valid when it was read.
pub(crate) struct LiveKey {
    pub(crate) id: KeyId,
    pub(crate) project: ProjectId,
    pub(crate) kind: KeyKind,
    /// The moment this text of the key ends: it was rotated.
    until: Option<i64>,
    used_at: AtomicI64,
    written_at: AtomicI64,
}

impl TryFrom<StoredKey> for LiveKey {
    type Error = PlatformError;

    fn try_from(stored: StoredKey) -> Result<Self, PlatformError> {
        let kind = parse_kind(&stored.kind)?;
        let used_at = stored.last_used_at.unwrap_or(0);
        Ok(Self {
            id: KeyId::parse(&stored.id).map_err(|_| PlatformError::Unreadable { what: "id of a key" })?,
            project: ProjectId::parse(&stored.project)
                .map_err(|_| PlatformError::Unreadable { what: "project of a key" })?,
            kind,
            until: stored.until,
            used_at: AtomicI64::new(used_at),
            written_at: AtomicI64::new(used_at),
        })
    }
}

/// The keys of this process.
pub(crate) struct KeyRing {
    live: Cache<TokenHash, Arc<LiveKey>>,
    unknown: Cache<TokenHash, ()>,
    /// Counts revocations: what was read before one may not be kept after it.
    revocations: AtomicU64,
}

impl KeyRing {
    pub(crate) fn new() -> Self {
        let revocations = AtomicU64::new(0);
        Self { live: Cache::new(CACHED_MAX), unknown: Cache::new(UNKNOWN_MAX), revocations }
    }

    /// The key with this text, if it is valid now.
    pub(crate) async fn find(
        &self,
        store: &Store,
        text: &SecretString,
    ) -> Result<Option<Arc<LiveKey>>, PlatformError> {
        if text.expose_secret().len() != KEY_LEN {
            return Ok(None);
        }
        let hash = TokenHash::of(text);
        let found = match self.live.get(&hash) {
            Some(key) => Some(key),
            None => self.read(store, hash).await?,
        };
        let now = now_ms();
        let valid = found.filter(|key| key.until.is_none_or(|until| now < until));
        match &valid {
            Some(key) => key.used_at.store(now, Ordering::Relaxed),
            None => metrics::unknown_key(),
        }
        Ok(valid)
    }

    async fn read(&self, store: &Store, hash: TokenHash) -> Result<Option<Arc<LiveKey>>, PlatformError> {
        if self.unknown.get(&hash).is_some() {
            return Ok(None);
        }
        let revocations = self.revocations.load(Ordering::SeqCst);
        let Some(stored) = store.key_by_hash(&hash).await? else {
            self.unknown.insert(hash, ());
            return Ok(None);
        };
        let key = Arc::new(LiveKey::try_from(stored)?);
        self.live.insert(hash, key.clone());
        if self.revocations.load(Ordering::SeqCst) != revocations {
            self.live.remove(&hash);
        }
        Ok(Some(key))
    }

    /// Forgets keys that were removed from the store, or are valid for another time.
    pub(crate) fn forget(&self, hashes: &[TokenHash]) {
        self.revocations.fetch_add(1, Ordering::SeqCst);
        for hash in hashes {
            self.live.remove(hash);
        }
    }

    /// Writes when keys were last used.
    pub(crate) async fn write_back(&self, store: &Store) -> Result<(), PlatformError> {
        let used: Vec<_> = self
            .live
            .iter()
            .map(|(_, key)| (key.used_at.load(Ordering::Relaxed), key))
            .filter(|(used_at, key)| *used_at > key.written_at.load(Ordering::Relaxed))
            .collect();
        let rows: Vec<_> = used.iter().map(|(used_at, key)| (key.id.clone(), *used_at)).collect();
        store.touch_keys(&rows).await?;
        for (used_at, key) in used {
            key.written_at.store(used_at, Ordering::Relaxed);
        }
        Ok(())
    }
}
