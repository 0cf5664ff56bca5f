//! What happens when the other process is away, comes back, or does not answer.

use crate::process::{Process, config, server};
use crate::secrets::FakeSecrets;
use async_trait::async_trait;
use ports::secrets::{Secrets, SecretsError};
use rpc::{Clients, Service};
use secrecy::SecretSlice;
use service_kit::drain::Drain;
use service_kit::ids::ProjectId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

async fn seal(client: &dyn Secrets) -> Result<Vec<u8>, SecretsError> {
    client.seal(&ProjectId::generate(), "p", b"x").await
}

#[tokio::test]
async fn a_service_that_comes_back_is_used_again_with_the_next_call() {
    let offer = || server(Drain::new()).secrets(Arc::new(FakeSecrets::default())).finish();
    let process = Process::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), offer()).await;
    let address = process.address;
    let client = process.clients(Service::TenantAuth).secrets().unwrap();
    seal(&client).await.unwrap();
    process.stop().await;
    for _ in 0..3 {
        assert!(matches!(seal(&client).await, Err(SecretsError::Unavailable(_))));
    }
    let _again = Process::start_at(address, offer()).await;
    seal(&client).await.unwrap();
}

#[tokio::test]
async fn a_service_that_starts_later_is_found() {
    let process = Process::start(|server| server).await;
    let address = process.address;
    process.stop().await;
    let client = Clients::new(&config(address), Service::Functions).unwrap().secrets().unwrap();
    assert!(matches!(seal(&client).await, Err(SecretsError::Unavailable(_))));
    let router = server(Drain::new()).secrets(Arc::new(FakeSecrets::default())).finish();
    let _process = Process::start_at(address, router).await;
    seal(&client).await.unwrap();
}

#[tokio::test]
async fn a_port_that_the_process_does_not_offer_is_unavailable() {
    let process = Process::start(|server| server).await;
    let client = process.clients(Service::TenantAuth).secrets().unwrap();
    assert!(matches!(seal(&client).await, Err(SecretsError::Unavailable(_))));
}

/// Counts who is inside, and answers when it is told to.
#[derive(Default)]
struct Slow {
    inside: AtomicUsize,
    most: AtomicUsize,
    answers: Option<Semaphore>,
}

#[async_trait]
impl Secrets for Slow {
    async fn seal(&self, _: &ProjectId, _: &str, _: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        match &self.answers {
            None => std::future::pending().await,
            Some(answers) => answers.acquire().await.unwrap().forget(),
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
        Ok(Vec::new())
    }

    async fn open(&self, _: &ProjectId, _: &str, _: &[u8]) -> Result<SecretSlice<u8>, SecretsError> {
        Err(SecretsError::NotSealedHere)
    }

    async fn put(&self, _: &ProjectId, _: &str, _: &[u8]) -> Result<u32, SecretsError> {
        Err(SecretsError::NotFound)
    }

    async fn get(&self, _: &ProjectId, _: &str) -> Result<SecretSlice<u8>, SecretsError> {
        Err(SecretsError::NotFound)
    }

    async fn delete(&self, _: &ProjectId, _: &str) -> Result<(), SecretsError> {
        Err(SecretsError::NotFound)
    }
}

#[tokio::test]
async fn a_call_ends_with_its_time() {
    let process = Process::start(|server| server.secrets(Arc::new(Slow::default()))).await;
    let mut settings = config(process.address);
    settings.call_timeout_ms = 50;
    let client = Clients::new(&settings, Service::TenantAuth).unwrap().secrets().unwrap();
    let error = seal(&client).await.unwrap_err();
    let SecretsError::Unavailable(cause) = error else { panic!("{error}") };
    assert!(cause.to_string().contains("in time"), "{cause}");
}

#[tokio::test]
async fn calls_in_flight_are_bounded() {
    let slow = Arc::new(Slow { answers: Some(Semaphore::new(0)), ..Slow::default() });
    let process = Process::start(|server| server.secrets(slow.clone())).await;
    let mut settings = config(process.address);
    settings.calls_in_flight_max = 3;
    let client = Arc::new(Clients::new(&settings, Service::TenantAuth).unwrap().secrets().unwrap());
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { seal(&*client).await })
        })
        .collect();
    slow.answers.as_ref().unwrap().add_permits(12);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(slow.most.load(Ordering::SeqCst) <= 3);
}
