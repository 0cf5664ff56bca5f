//! Hashing passwords with argon2id, on a bounded number of threads.

use crate::error::PasswordError;
use crate::password::Password;
use crate::threads::Threads;
use argon2::password_hash::Error as HashError;
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use metrics::counter;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Semaphore, oneshot};

/// A hash that no password has, with the parameters of the real ones: what an attempt on an unknown
/// account is verified against, so that it costs the same.
const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A thread stands for each slot.
const SLOTS_MAX: usize = 1_024;

/// How much is hashed at once.
#[derive(Debug, Clone, Copy)]
pub struct HashLimits {
    /// Passwords hashed at once; each takes one core and 19 MiB.
    pub slots: NonZeroUsize,
    /// Passwords that may wait for a slot; over it comes `overloaded`.
    pub queue_max: usize,
}

/// Hashes and verifies, `slots` at a time; a bounded number of others wait.
pub struct Hasher {
    argon2: Argon2<'static>,
    admitted: Arc<Semaphore>,
    slots: Arc<Semaphore>,
    operations: AtomicU64,
    threads: Threads,
}

impl Hasher {
    /// argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet): the defaults of
    /// the library.
    pub fn new(limits: HashLimits) -> Self {
        let slots = limits.slots.get().min(SLOTS_MAX);
        let waiting = limits.queue_max.min(Semaphore::MAX_PERMITS / 2);
        Self {
            argon2: Argon2::default(),
            admitted: Arc::new(Semaphore::new(slots + waiting)),
            slots: Arc::new(Semaphore::new(slots)),
            operations: AtomicU64::new(0),
            threads: Threads::start(slots),
        }
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// `Overloaded`, or hashing failed.
    pub async fn hash(&self, password: &Password) -> Result<String, PasswordError> {
        let (argon2, password) = (self.argon2.clone(), password.clone());
        let work = move || PasswordHasher::<PasswordHash>::hash_password(&argon2, password.as_bytes());
        Ok(self.run(work).await?.map_err(PasswordError::Hash)?.to_string())
    }

    /// Whether `password` has the hash `known`; with none it costs the same and is false.
    ///
    /// # Errors
    /// `Overloaded`, or `known` is no hash.
    pub async fn verify(&self, password: &Password, known: Option<&str>) -> Result<bool, PasswordError> {
        let (argon2, password) = (self.argon2.clone(), password.clone());
        let hash = known.unwrap_or(NOBODYS_HASH).to_owned();
        let verified = self.run(move || argon2.verify_password(password.as_bytes(), hash.as_str())).await?;
        match verified {
            Ok(()) => Ok(known.is_some()),
            Err(HashError::PasswordInvalid) => Ok(false),
            Err(error) => Err(PasswordError::Hash(error)),
        }
    }

    /// Hashes computed so far.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// The permits go with the work: a caller that goes away frees its slot only when the thread is free.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| PasswordError::Overloaded)?;
        let slot = self.slots.clone().acquire_owned().await.map_err(|_| PasswordError::Overloaded)?;
        self.operations.fetch_add(1, Ordering::Relaxed);
        counter!("bunbase_auth_password_hashes_total").increment(1);
        let (answer, answered) = oneshot::channel();
        self.threads.run(move || {
            let result = work();
            drop((slot, admitted));
            // The caller may have gone away.
            let _ = answer.send(result);
        });
        answered.await.map_err(PasswordError::HashThread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;
    use std::sync::mpsc;

    fn hasher(queue_max: usize) -> Hasher {
        Hasher::new(HashLimits { slots: NonZeroUsize::MIN, queue_max })
    }

    fn password(text: &str) -> Password {
        Password::new(SecretString::from(text)).ok().unwrap()
    }

    #[tokio::test]
    async fn nobodys_hash_costs_the_same_and_fits_no_password() {
        let hasher = hasher(4);
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
        let hasher = Arc::new(hasher(1));
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
        assert!(matches!(hasher.run(|| true).await, Err(PasswordError::Overloaded)));
        release.send(()).unwrap();
        assert!(first.await.unwrap().unwrap() && second.await.unwrap().unwrap());
        assert!(hasher.run(|| true).await.unwrap());
    }
}
