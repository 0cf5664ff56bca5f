//! `TenantIdentity` of another process.

use crate::cache::{Answers, QuestionBuilder};
use crate::proto::EndUserToken;
use crate::proto::tenant_identity_client::TenantIdentityClient as Wire;
use crate::remote::{Remote, Signed};
use crate::wire::grant;
use async_trait::async_trait;
use ports::tenant::{EndUser, TenantError, TenantIdentity};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::Status;

/// How long a valid token's user is given again.
const KEPT_FOR: Duration = Duration::from_millis(500);

/// Asks tenant-auth; users of valid tokens are kept for half a second.
pub struct TenantIdentityClient {
    remote: Remote,
    wire: Wire<Signed>,
    users: Answers<Arc<EndUser>>,
}

impl TenantIdentityClient {
    pub(crate) fn new(remote: Remote) -> Self {
        let wire = Wire::new(remote.channel());
        Self { remote, wire, users: Answers::new(KEPT_FOR) }
    }
}

fn unavailable(status: Status) -> TenantError {
    TenantError(Box::new(status))
}

#[async_trait]
impl TenantIdentity for TenantIdentityClient {
    async fn verify(
        &self,
        project: &ProjectId,
        token: &SecretString,
    ) -> Result<Option<Arc<EndUser>>, TenantError> {
        let token = token.expose_secret();
        let parts = QuestionBuilder::default().part(Some(project.as_str().as_bytes()));
        let question = parts.part(Some(token.as_bytes())).finish();
        if let Some(user) = self.users.get(&question) {
            return Ok(Some(user));
        }
        let asked = Instant::now();
        let message = EndUserToken { project: project.to_string(), token: token.to_owned() };
        let mut wire = self.wire.clone();
        let reply = self.remote.call(wire.verify(message)).await.map_err(unavailable)?;
        let Some(user) = reply.user else { return Ok(None) };
        let user = Arc::new(grant::get_end_user(&user).map_err(unavailable)?);
        self.users.put(question, asked, user.clone());
        Ok(Some(user))
    }
}
