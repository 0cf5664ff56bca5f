//! What other services ask about developers.

use crate::support::{Server, wide, with_registration};
use bun_auth::Registration;
use ports::identity::{DeveloperIdentity as _, IdentityError, NewAccount};
use secrecy::SecretString;
use service_kit::error::ErrorCode;
use service_kit::ids::UserId;

fn new_account(email: &str, password: &str) -> NewAccount {
    NewAccount { email: email.into(), password: SecretString::from(password), name: "Eve".into() }
}

fn code(error: IdentityError) -> ErrorCode {
    match error {
        IdentityError::Refused { code, .. } => code,
        IdentityError::Unavailable(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn whoever_was_invited_gets_an_account_where_registration_is_closed() {
    let server = Server::set_up(with_registration(Registration::Closed)).await;
    let service = &server.service;
    let entered = service.register(new_account(" EVE@example.com", "correct horse")).await.unwrap();
    assert_eq!(
        (entered.account.email.as_str(), entered.account.is_instance_admin),
        ("eve@example.com", false)
    );
    assert_eq!(service.session_user(&entered.session).await.unwrap(), Some(entered.account.user.clone()));
    let found = service.account_by_email("Eve@Example.com").await.unwrap();
    assert_eq!(found, Some(entered.account.clone()));
    let ada = service.account_by_email("ada@example.com").await.unwrap().unwrap();
    assert!(ada.is_instance_admin);
    let mut both = service
        .accounts(&[ada.user.clone(), UserId::generate(), entered.account.user.clone()])
        .await
        .unwrap();
    both.sort_by(|a, b| a.email.cmp(&b.email));
    assert_eq!(both, [ada, entered.account]);
    assert!(service.accounts(&[]).await.unwrap().is_empty());
    let many: Vec<_> = (0..1200).map(|_| UserId::generate()).collect();
    assert!(service.accounts(&many).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let server = Server::set_up(wide()).await;
    let service = &server.service;
    for (account, expected) in [
        (new_account("ada@example.com", "correct horse"), ErrorCode::AccountExists),
        (new_account("no address", "correct horse"), ErrorCode::InvalidRequest),
        (new_account("eve@example.com", "short"), ErrorCode::WeakPassword),
    ] {
        assert_eq!(code(service.register(account).await.unwrap_err()), expected);
    }
    assert_eq!(code(service.account_by_email("no address").await.unwrap_err()), ErrorCode::InvalidRequest);
    assert!(service.account_by_email("nobody@example.com").await.unwrap().is_none());
    let password = SecretString::from("wrong horse");
    for email in ["ada@example.com", "nobody@example.com", "no address"] {
        let refused = service.log_in(email, &password).await.unwrap_err();
        assert_eq!(code(refused), ErrorCode::InvalidCredentials, "{email}");
    }
    let entered = service.log_in("ada@example.com", &SecretString::from("correct horse")).await.unwrap();
    assert!(service.session_user(&entered.session).await.unwrap().is_some());
    server.database.close().await;
    let refused = service.account_by_email("ada@example.com").await.unwrap_err();
    assert!(matches!(refused, IdentityError::Unavailable(_)));
}

#[tokio::test]
async fn an_invitation_does_not_take_the_place_of_set_up() {
    let server = Server::start(wide()).await;
    let refused = server.service.register(new_account("eve@example.com", "correct horse")).await.unwrap_err();
    assert_eq!(code(refused), ErrorCode::RegistrationClosed);
    assert!(!server.service.is_set_up());
}
