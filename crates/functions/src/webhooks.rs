//! Webhooks: requests of other systems, which bring no key. Who sends one is known by a signature over the body as it
//! came; without a valid one no handler is started, and without a secret nothing is valid.

mod secret;
mod seen;
mod signature;

pub(crate) use seen::Turn;

use crate::environment::Environment;
use crate::front::{BodyLimits, whole_body};
use crate::manifest::{Scheme, Verify, WebhookTrigger};
use crate::registry::Owner;
use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use ports::secrets::Secrets;
use run_log::RunLog;
use secrecy::SecretString;
use secret::Keys;
use seen::{Seen, State};
use service_kit::clock::now_ms;
use service_kit::error::{ApiError, ErrorCode};
use signature::Claim;
use std::sync::Arc;
use std::time::Duration;
use worker_pool::BoxError;

/// When to send again what another attempt is working on.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(10);

/// A webhook of a version.
#[derive(Debug)]
pub(crate) struct Webhook {
    path: String,
    verify: Verify,
    /// The variable that holds the secret, where the function has it; else the KMS is asked.
    variable: Option<SecretString>,
}

impl Webhook {
    pub(crate) fn of(trigger: &WebhookTrigger, environment: Option<&Environment>) -> Self {
        let variable = environment.and_then(|known| known.get(&trigger.verify.secret)).cloned();
        Self { path: trigger.path.clone(), verify: trigger.verify.clone(), variable }
    }

    /// Whether code in the application knows who sends it.
    pub(crate) fn is_custom(&self) -> bool {
        self.verify.scheme == Scheme::Custom
    }
}

/// A request whose signature holds.
pub(crate) enum Accepted {
    /// Its body as it came, and its turn, where its sender gives it a name or a time.
    New(Bytes, Option<Turn>),
    /// It was handled before.
    Again,
}

/// What all webhooks share.
pub(crate) struct Webhooks {
    keys: Keys,
    seen: Arc<Seen>,
}

impl Webhooks {
    pub(crate) fn new(secrets: Arc<dyn Secrets>, logs: Arc<RunLog>) -> Self {
        Self { keys: Keys::new(secrets, logs), seen: Arc::default() }
    }

    /// Reads a request whole and lets it in where its signature holds.
    ///
    /// # Errors
    /// `invalid_signature`, `conflict` while the same is being handled, `unavailable` without a secret, and those of
    /// bodies.
    pub(crate) async fn accept<B>(
        &self,
        (webhook, owner): (&Webhook, &Owner),
        headers: &HeaderMap,
        (body, limits): (B, BodyLimits),
    ) -> Result<Accepted, ApiError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        // What cannot be right is not worth a body in memory or a look at the secret.
        let claim = Claim::read(&webhook.verify, headers, now_ms() / 1_000).ok_or_else(refused)?;
        let body = whole_body(body, limits).await?;
        let key = self.keys.of(webhook, owner).await?;
        if !claim.holds(&key, &body) {
            return Err(refused());
        }
        let Some(event) = claim.event(&body) else { return Ok(Accepted::New(body, None)) };
        match self.seen.begin(&owner.function, (&webhook.path, &event)) {
            State::New(turn) => Ok(Accepted::New(body, Some(turn))),
            State::Done => Ok(Accepted::Again),
            State::Running => {
                let message = "this event is being handled; send it again if that fails";
                Err(ApiError::new(ErrorCode::Conflict, message).retry_after(BUSY_RETRY_AFTER))
            }
        }
    }
}

/// The same for whatever is wrong with it.
fn refused() -> ApiError {
    ApiError::new(ErrorCode::InvalidSignature, "the signature of the webhook is missing, wrong or too old")
}
