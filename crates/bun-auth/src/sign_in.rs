//! Signing in. What must hold: an attempt on an unknown account does the same work and gets the same answer
//! as one on a known account.

use crate::accounts::SignedIn;
use crate::client::Client;
use crate::error::AuthError;
use crate::metrics;
use crate::service::AuthService;
use crate::sessions::Entering;
use crate::store::KnownAccount;
use credentials::{Email, Password};

impl AuthService {
    /// Signs in.
    pub(crate) async fn log_in(
        &self,
        email: &str,
        password: &Password,
        client: &Client,
    ) -> Result<SignedIn, AuthError> {
        let attempt = self.limits.sign_in(Email::normal(email), client.address, self.clock.now_ms())?;
        let verified = self.verified(email, password).await;
        match &verified {
            Ok(Some(_)) => attempt.succeeded(),
            Err(_) => attempt.undecided(),
            Ok(None) => {}
        }
        let Some(known) = verified? else {
            metrics::login("refused");
            return Err(AuthError::InvalidCredentials);
        };
        metrics::login("signed_in");
        let entering = Entering { account: &known.account.id, password_hash: &known.password_hash, client };
        let token = self.open_session(entering).await?;
        Ok(SignedIn { account: known.account, token })
    }

    /// The account, if there is one and the password is its own; the same work in every case.
    async fn verified(&self, email: &str, password: &Password) -> Result<Option<KnownAccount>, AuthError> {
        let known = match Email::parse(email) {
            Ok(email) => self.store.account_by_email(&email).await?,
            Err(_) => None,
        };
        let hash = known.as_ref().map(|known| known.password_hash.as_str());
        let matches = self.hasher.verify(password, hash).await?;
        Ok(known.filter(|_| matches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Applicant;
    use crate::config::AuthConfig;
    use crate::service::AuthDeps;
    use mail::{MailConfig, Mailer};
    use sql::{Database, Durability};
    use std::sync::Arc;

    async fn service(directory: &tempfile::TempDir) -> Arc<AuthService> {
        let database = Database::open(&directory.path().join("control.db"), Durability::Full).await.unwrap();
        let mailer = Mailer::start(MailConfig::default(), &directory.path().join("mail")).unwrap();
        let public_url = "http://localhost:3001".to_owned();
        let deps = AuthDeps { database, mailer, events: None, public_url };
        AuthService::start(AuthConfig::default(), deps).await.unwrap()
    }

    fn password(text: &str) -> Password {
        serde_json::from_value(text.into()).unwrap()
    }

    async fn refused(service: &AuthService, email: &str) -> (u64, String) {
        let before = service.hasher.operations();
        let attempt = service.log_in(email, &password("wrong password"), &Client::default()).await;
        let error = attempt.err().unwrap();
        (service.hasher.operations() - before, format!("{error:?}: {error}"))
    }

    #[tokio::test]
    async fn unknown_known_and_malformed_accounts_cost_and_answer_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let service = service(&directory).await;
        let applicant = Applicant {
            email: "ada@example.com".into(),
            password: password("correct horse"),
            name: "Ada".into(),
        };
        let client = Client::default();
        service.set_up(applicant, &client).await.unwrap();
        let known = refused(&service, "ada@example.com").await;
        assert_eq!(known.0, 1);
        assert_eq!(refused(&service, "nobody@example.com").await, known);
        assert_eq!(refused(&service, "no address").await, known);
        let right = service.log_in(" ADA@example.com", &password("correct horse"), &client).await;
        assert!(right.is_ok());
    }
}
