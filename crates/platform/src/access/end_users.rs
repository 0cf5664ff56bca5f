//! The end user who is signed in beside a project key. A token that the program itself put on the request
//! has to be valid; a cookie that the browser sent along may be stale, and is ignored then.

use super::{api_token, unavailable};
use ports::access::{AccessError, Credentials};
use ports::tenant::{EndUser, TenantIdentity};
use secrecy::SecretString;
use service_kit::ids::ProjectId;
use std::sync::{Arc, OnceLock};

/// Who knows the end users of the projects.
#[derive(Default)]
pub(super) struct EndUsers(OnceLock<Arc<dyn TenantIdentity>>);

impl EndUsers {
    pub(super) fn bind(&self, identity: Arc<dyn TenantIdentity>) {
        if self.0.set(identity).is_err() {
            tracing::warn!("end users were bound already, the first binding stays");
        }
    }

    /// The end user of `project` whose token or session came along.
    pub(super) async fn beside_key(
        &self,
        project: &ProjectId,
        credentials: &Credentials,
    ) -> Result<Option<Arc<EndUser>>, AccessError> {
        match (&credentials.bearer, &credentials.end_user_session) {
            (Some(token), _) if api_token(credentials).is_none() => {
                self.verify(project, token).await?.ok_or(AccessError::EndUserToken).map(Some)
            }
            (_, Some(session)) => self.verify(project, session).await,
            _ => Ok(None),
        }
    }

    async fn verify(
        &self,
        project: &ProjectId,
        token: &SecretString,
    ) -> Result<Option<Arc<EndUser>>, AccessError> {
        let Some(identity) = self.0.get() else { return Ok(None) };
        identity.verify(project, token).await.map_err(unavailable)
    }
}
