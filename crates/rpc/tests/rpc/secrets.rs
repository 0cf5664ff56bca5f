//! `Secrets`.

use crate::process::Process;
use async_trait::async_trait;
use ports::secrets::{Secrets, SecretsError};
use rpc::Service;
use secrecy::{ExposeSecret as _, SecretSlice};
use service_kit::ids::ProjectId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The versions of a secret, the oldest first.
type Versions = Vec<Vec<u8>>;

/// Seals by writing project and purpose in front.
#[derive(Default)]
pub(crate) struct FakeSecrets(Mutex<BTreeMap<(ProjectId, String), Versions>>);

fn mark(project: &ProjectId, purpose: &str) -> Vec<u8> {
    format!("{project}/{purpose}/").into_bytes()
}

#[async_trait]
impl Secrets for FakeSecrets {
    async fn seal(
        &self,
        project: &ProjectId,
        purpose: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SecretsError> {
        Ok([&mark(project, purpose), plaintext].concat())
    }

    async fn open(
        &self,
        project: &ProjectId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<SecretSlice<u8>, SecretsError> {
        let opened = sealed.strip_prefix(&*mark(project, purpose)).ok_or(SecretsError::NotSealedHere)?;
        Ok(SecretSlice::from(opened.to_vec()))
    }

    async fn put(&self, project: &ProjectId, name: &str, value: &[u8]) -> Result<u32, SecretsError> {
        if name.is_empty() {
            return Err(SecretsError::Invalid("a secret needs a name".to_owned()));
        }
        let mut secrets = self.0.lock().unwrap();
        let versions = secrets.entry((project.clone(), name.to_owned())).or_default();
        versions.push(value.to_vec());
        Ok(u32::try_from(versions.len()).unwrap())
    }

    async fn get(&self, project: &ProjectId, name: &str) -> Result<SecretSlice<u8>, SecretsError> {
        if name == "broken" {
            return Err(SecretsError::Unavailable("no disk".into()));
        }
        let secrets = self.0.lock().unwrap();
        let versions = secrets.get(&(project.clone(), name.to_owned())).ok_or(SecretsError::NotFound)?;
        Ok(SecretSlice::from(versions.last().cloned().unwrap_or_default()))
    }

    async fn delete(&self, project: &ProjectId, name: &str) -> Result<(), SecretsError> {
        let removed = self.0.lock().unwrap().remove(&(project.clone(), name.to_owned()));
        removed.map(drop).ok_or(SecretsError::NotFound)
    }
}

async fn keeps(secrets: &dyn Secrets) {
    let (project, other) = (ProjectId::generate(), ProjectId::generate());
    let sealed = secrets.seal(&project, "oauth", b"plain\0").await.unwrap();
    let opened = secrets.open(&project, "oauth", &sealed).await.unwrap();
    assert_eq!(opened.expose_secret(), b"plain\0");
    for (project, purpose) in [(&other, "oauth"), (&project, "other")] {
        let error = secrets.open(project, purpose, &sealed).await.unwrap_err();
        assert!(matches!(error, SecretsError::NotSealedHere));
    }
    assert_eq!(secrets.put(&project, "a", b"1").await.unwrap(), 1);
    assert_eq!(secrets.put(&project, "a", b"2").await.unwrap(), 2);
    assert_eq!(secrets.get(&project, "a").await.unwrap().expose_secret(), b"2");
    assert!(matches!(secrets.get(&other, "a").await.unwrap_err(), SecretsError::NotFound));
    let error = secrets.put(&project, "", b"1").await.unwrap_err();
    assert_eq!(error.to_string(), "a secret needs a name");
    secrets.delete(&project, "a").await.unwrap();
    assert!(matches!(secrets.delete(&project, "a").await.unwrap_err(), SecretsError::NotFound));
    assert!(matches!(secrets.get(&project, "broken").await.unwrap_err(), SecretsError::Unavailable(_)));
}

#[tokio::test]
async fn secrets_are_the_same_on_both_sides() {
    let process = Process::start(|server| server.secrets(Arc::new(FakeSecrets::default()))).await;
    let client = process.clients(Service::TenantAuth).secrets().unwrap();
    for secrets in [&FakeSecrets::default() as &dyn Secrets, &client] {
        keeps(secrets).await;
    }
}
