//! Secrets of webhooks. A variable is there with the version; a secret of the KMS is asked for, and kept for a moment:
//! each question is recorded there, and who sends something is not known yet.

use super::Webhook;
use super::signature;
use crate::registry::Owner;
use aws_lc_rs::hmac;
use ports::secrets::{Secrets, SecretsError};
use run_log::{Level, LogLine, RunLog};
use secrecy::{ExposeSecret as _, SecretSlice};
use service_kit::clock::now_ms;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{FunctionId, ProjectId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer of the KMS holds, also that there is no such secret.
const KEPT: Duration = Duration::from_secs(5);
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer; `None` where there is no such secret.
type Answer = Option<Arc<SecretSlice<u8>>>;

pub(super) struct Keys {
    secrets: Arc<dyn Secrets>,
    logs: Arc<RunLog>,
    kept: Mutex<HashMap<(ProjectId, String), (Instant, Answer)>>,
    /// When the developer of a function was told last.
    told: Mutex<HashMap<FunctionId, Instant>>,
}

impl Keys {
    pub(super) fn new(secrets: Arc<dyn Secrets>, logs: Arc<RunLog>) -> Self {
        Self { secrets, logs, kept: Mutex::default(), told: Mutex::default() }
    }

    /// The key of a webhook.
    ///
    /// # Errors
    /// `unavailable`: there is none, and the webhook is closed.
    pub(super) async fn of(&self, webhook: &Webhook, owner: &Owner) -> Result<hmac::Key, ApiError> {
        let Webhook { verify, variable, .. } = webhook;
        let key = match variable {
            Some(value) => signature::key(verify.scheme, value.expose_secret().as_bytes()),
            None => {
                let secret = self.named(webhook, owner).await?.ok_or_else(closed)?;
                signature::key(verify.scheme, secret.expose_secret())
            }
        };
        key.ok_or_else(|| {
            let problem =
                "is empty or has not the form of its scheme (standard_webhooks: base64, behind whsec_)";
            self.say(webhook, owner, problem);
            closed()
        })
    }

    async fn named(&self, webhook: &Webhook, owner: &Owner) -> Result<Answer, ApiError> {
        let name = webhook.verify.secret.as_str();
        let place = (owner.project.clone(), name.to_owned());
        if let Some(answer) = self.kept(&place) {
            return Ok(answer);
        }
        let asked = tokio::time::timeout(PATIENCE, self.secrets.get(&owner.project, name)).await;
        let answer = match asked {
            Ok(Ok(secret)) => Some(Arc::new(secret)),
            Ok(Err(SecretsError::NotFound | SecretsError::Invalid(_))) => {
                self.say(webhook, owner, "is there neither as a variable nor as a secret");
                None
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, project = %owner.project, "the secret of a webhook cannot be read");
                return Err(closed());
            }
            Err(_) => return Err(closed()),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (at, _)| at.elapsed() < KEPT);
        kept.insert(place, (Instant::now(), answer.clone()));
        Ok(answer)
    }

    fn kept(&self, place: &(ProjectId, String)) -> Option<Answer> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(place).filter(|(at, _)| at.elapsed() < KEPT).map(|(_, answer)| answer.clone())
    }

    /// Tells the developer what to set. Not each time: anybody may ask.
    fn say(&self, webhook: &Webhook, owner: &Owner, problem: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| at.elapsed() < KEPT);
        if told.contains_key(&owner.function) {
            return;
        }
        told.insert(owner.function.clone(), Instant::now());
        drop(told);
        let name = &webhook.verify.secret;
        self.logs.write(LogLine {
            project: owner.project.clone(),
            function: owner.function.clone(),
            version: owner.version.clone(),
            invocation_id: None,
            level: Level::Error,
            message: format!(
                "the webhook {} is closed: its secret {name} {problem}; set it with `bunbase secrets set {name}`, or as a variable of the function",
                webhook.path
            ),
            fields: None,
            at_ms: now_ms(),
        });
    }
}

fn closed() -> ApiError {
    let message = "the webhook is closed: its secret cannot be had; the log of the function says what to set";
    ApiError::new(ErrorCode::Unavailable, message)
}
