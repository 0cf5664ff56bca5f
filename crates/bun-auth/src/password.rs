//! Passwords: reading them from a request, and hashing them with argon2id on a bounded number of threads.
//! A password has no `Debug` and no `Serialize`.

use crate::config::AuthConfig;
use crate::error::AuthError;
use crate::metrics;
use argon2::password_hash::Error as HashError;
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

/// Bytes of a password.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;
/// Characters of a new password.
const PASSWORD_CHARS_MIN: usize = 8;

/// A hash that no password has, with the parameters of the real ones: what an attempt on an unknown
/// account is verified against, so that it costs the same.
const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password as somebody typed it.
#[derive(Clone)]
pub(crate) struct Password(SecretString);

impl Password {
    /// Whether it may become an account's password.
    pub(crate) fn check_new(&self) -> Result<(), AuthError> {
        let long_enough = self.0.expose_secret().chars().count() >= PASSWORD_CHARS_MIN;
        if long_enough { Ok(()) } else { Err(AuthError::PasswordTooShort) }
    }

    fn as_bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

impl<'de> Deserialize<'de> for Password {
    /// Errors say nothing of the value: serde's own would repeat it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let serde_json::Value::String(text) = serde_json::Value::deserialize(deserializer)? else {
            return Err(de::Error::custom("`password` must be text"));
        };
        let password = SecretString::from(text);
        if password.expose_secret().len() > PASSWORD_BYTES_MAX {
            let message = format!("`password` must have at most {PASSWORD_BYTES_MAX} bytes");
            return Err(de::Error::custom(message));
        }
        Ok(Self(password))
    }
}

/// Hashes and verifies, `hash_slots` at a time; a bounded number of others wait.
pub(crate) struct Hasher {
    argon2: Argon2<'static>,
    admitted: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    operations: AtomicU64,
}

impl Hasher {
    /// argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet): the defaults of
    /// the library.
    pub(crate) fn new(config: &AuthConfig) -> Self {
        let slots = config.hash_slots.get().min(Semaphore::MAX_PERMITS / 2);
        let waiting = config.hash_queue_max.min(Semaphore::MAX_PERMITS / 2);
        Self {
            argon2: Argon2::default(),
            admitted: Arc::new(Semaphore::new(slots + waiting)),
            slots: Arc::new(Semaphore::new(slots)),
            operations: AtomicU64::new(0),
        }
    }

    /// The hash of a new password, as a PHC string.
    pub(crate) async fn hash(&self, password: &Password) -> Result<String, AuthError> {
        let (argon2, password) = (self.argon2.clone(), password.clone());
        let work = move || PasswordHasher::<PasswordHash>::hash_password(&argon2, password.as_bytes());
        Ok(self.run(work).await?.map_err(AuthError::Hash)?.to_string())
    }

    /// Whether `password` has the hash `known`; with none it costs the same and is false.
    pub(crate) async fn verify(&self, password: &Password, known: Option<&str>) -> Result<bool, AuthError> {
        let (argon2, password) = (self.argon2.clone(), password.clone());
        let hash = known.unwrap_or(NOBODYS_HASH).to_owned();
        let verified = self.run(move || argon2.verify_password(password.as_bytes(), hash.as_str())).await?;
        match verified {
            Ok(()) => Ok(known.is_some()),
            Err(HashError::PasswordInvalid) => Ok(false),
            Err(error) => Err(AuthError::Hash(error)),
        }
    }

    /// Hashes computed so far.
    #[cfg(test)]
    pub(crate) fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// The permits go with the work: a caller that goes away frees its slot only when the thread is free.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| AuthError::Overloaded)?;
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| AuthError::Overloaded)?;
        self.operations.fetch_add(1, Ordering::Relaxed);
        metrics::password_hashed();
        let thread = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((slot, admitted));
            result
        });
        thread.await.map_err(AuthError::HashThread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;
    use std::sync::mpsc;

    fn password(text: &str) -> Password {
        Password(SecretString::from(text))
    }

    #[tokio::test]
    async fn nobodys_hash_costs_the_same_and_fits_no_password() {
        let hasher = Hasher::new(&AuthConfig::default());
        let real = hasher.hash(&password("correct horse")).await.unwrap();
        let parameters = |hash: &str| hash.split('$').take(4).collect::<Vec<_>>().join("$");
        assert_eq!(parameters(&real), parameters(NOBODYS_HASH));
        assert!(hasher.verify(&password("correct horse"), Some(&real)).await.unwrap());
        assert!(!hasher.verify(&password("wrong horse"), Some(&real)).await.unwrap());
        assert!(!hasher.verify(&password("correct horse"), None).await.unwrap());
        assert_eq!(hasher.operations(), 4);
    }

    #[tokio::test]
    async fn over_slots_and_waiting_places_comes_overloaded() {
        let config = AuthConfig { hash_slots: NonZeroUsize::MIN, hash_queue_max: 1, ..AuthConfig::default() };
        let hasher = Arc::new(Hasher::new(&config));
        let (release, held) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.run(move || held.recv().is_ok()).await }
        });
        let second = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.run(|| true).await }
        });
        while hasher.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.run(|| true).await, Err(AuthError::Overloaded)));
        release.send(()).unwrap();
        assert!(first.await.unwrap().unwrap() && second.await.unwrap().unwrap());
        assert!(hasher.run(|| true).await.unwrap());
    }

    #[test]
    fn a_password_of_a_wrong_type_or_length_is_not_repeated() {
        let long = format!("\"{}\"", "s3cret".repeat(200));
        for text in ["12345678", &long] {
            let error = serde_json::from_str::<Password>(text).err().unwrap().to_string();
            assert!(!error.contains("12345678") && !error.contains("s3cret"), "{error}");
        }
    }
}
