//! Secrets in memory: sealed with one key, bound to project and purpose.

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use ports::secrets::{Secrets, SecretsError};
use secrecy::SecretSlice;
use service_kit::ids::ProjectId;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct TestSecrets {
    key: RandomizedNonceKey,
    pub(crate) named: Mutex<HashMap<(ProjectId, String), Vec<u8>>>,
    pub(crate) seals: AtomicU64,
}

impl Default for TestSecrets {
    fn default() -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &[7; 32]).unwrap();
        Self { key, named: Mutex::default(), seals: AtomicU64::new(0) }
    }
}

fn aad(project: &ProjectId, purpose: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{project}\0{purpose}").into_bytes())
}

#[async_trait]
impl Secrets for TestSecrets {
    async fn seal(
        &self,
        project: &ProjectId,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SecretsError> {
        tokio::task::yield_now().await;
        self.seals.fetch_add(1, Ordering::SeqCst);
        let mut sealed = plaintext.to_vec();
        let nonce = self.key.seal_in_place_append_tag(aad(project, purpose), &mut sealed).unwrap();
        sealed.extend(nonce.as_ref());
        Ok(sealed)
    }

    async fn open(
        &self,
        project: &ProjectId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, SecretsError> {
        let (sealed, nonce) = sealed.split_at(sealed.len() - NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
        let mut opened = sealed.to_vec();
        let plain = self.key.open_in_place(nonce, aad(project, purpose), &mut opened);
        Ok(plain.map_err(|_| SecretsError::NotSealedHere)?.to_vec().into())
    }

    async fn put(&self, project: &ProjectId, name: &str, value: &[u8]) -> Result<u32, SecretsError> {
        self.named.lock().unwrap().insert((project.clone(), name.to_owned()), value.to_vec());
        Ok(1)
    }

    async fn get(&self, project: &ProjectId, name: &str) -> Result<SecretSlice<u8>, SecretsError> {
        let named = self.named.lock().unwrap();
        let value = named.get(&(project.clone(), name.to_owned())).ok_or(SecretsError::NotFound)?;
        Ok(value.clone().into())
    }

    async fn delete(&self, project: &ProjectId, name: &str) -> Result<(), SecretsError> {
        let gone = self.named.lock().unwrap().remove(&(project.clone(), name.to_owned()));
        gone.map(drop).ok_or(SecretsError::NotFound)
    }
}
