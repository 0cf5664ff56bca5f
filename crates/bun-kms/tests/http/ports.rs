//! What other services ask: sealing, and named secrets.

use crate::support::Server;
use ::ports::secrets::SecretsError;
use secrecy::ExposeSecret as _;
use service_kit::ids::ProjectId;

#[tokio::test]
async fn what_is_sealed_opens_for_its_project_and_purpose_only() {
    let server = Server::start().await;
    let secrets = server.service.secrets();
    let (project, other) = (ProjectId::generate(), ProjectId::generate());
    let sealed = secrets.seal(&project, "tokens", b"text").await.unwrap();
    let opened = secrets.open(&project, "tokens", &sealed).await.unwrap();
    assert_eq!(opened.expose_secret(), b"text");
    let refused = |outcome: Result<secrecy::SecretSlice<u8>, SecretsError>| {
        matches!(outcome, Err(SecretsError::NotSealedHere))
    };
    assert!(refused(secrets.open(&project, "hooks", &sealed).await));
    assert!(refused(secrets.open(&other, "tokens", &sealed).await));
    secrets.seal(&other, "tokens", b"text").await.unwrap();
    assert!(refused(secrets.open(&other, "tokens", &sealed).await));
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(refused(secrets.open(&project, "tokens", &changed).await), "byte {at}");
    }
}

#[tokio::test]
async fn named_secrets_are_those_of_the_routes() {
    let server = Server::start().await;
    let secrets = server.service.secrets();
    let project = server.project();
    assert_eq!(secrets.put(&project.id, "a", b"one").await.unwrap(), 1);
    assert_eq!(project.get("/secrets/a").await.text("value"), "one");
    assert_eq!(project.write("a", "two").await, 2);
    assert_eq!(secrets.get(&project.id, "a").await.unwrap().expose_secret(), b"two");
    secrets.delete(&project.id, "a").await.unwrap();
    assert!(matches!(secrets.get(&project.id, "a").await, Err(SecretsError::NotFound)));
    assert!(matches!(secrets.put(&project.id, "../a", b"").await, Err(SecretsError::Invalid(_))));
    assert!(matches!(secrets.put(&project.id, "a", &[0; 70_000]).await, Err(SecretsError::Invalid(_))));
    server.service.shutdown().await;
    assert!(matches!(secrets.get(&project.id, "a").await, Err(SecretsError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_uses_of_a_project_make_one_key() {
    let server = Server::start().await;
    let (secrets, project) = (server.service.secrets(), ProjectId::generate());
    let seals: Vec<_> = (0..50_u8)
        .map(|n| {
            let (secrets, project) = (secrets.clone(), project.clone());
            tokio::spawn(async move { secrets.seal(&project, "p", &[n]).await.unwrap() })
        })
        .collect();
    for (n, seal) in (0_u8..).zip(seals) {
        let sealed = seal.await.unwrap();
        assert_eq!(secrets.open(&project, "p", &sealed).await.unwrap().expose_secret(), [n]);
    }
}
