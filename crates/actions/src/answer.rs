//! Behind the handler: sessions that it created or ended.

use crate::application::{Application, Trail};
use crate::directory::{DirectoryError, Session};
use http::{HeaderMap, HeaderName, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use service_kit::error::{ApiError, ErrorCode};

/// What a handler did to sessions, as a list in JSON; never passed on.
pub const SESSION_HEADER: HeaderName = HeaderName::from_static("x-bunbase-session");
/// `no` where another attempt would fail too: for jobs alone.
const RETRY_HEADER: HeaderName = HeaderName::from_static("x-bunbase-retry");
/// Bytes of a user agent that are kept.
const AGENT_BYTES_MAX: usize = 255;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum SessionOp {
    Create { payload: Payload },
    Destroy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    user_id: String,
    #[serde(default)]
    org_id: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Application {
    /// Takes what the handler said about sessions out of the headers of its answer, writes the rows, and sets the
    /// cookie. A new session ends the one that the request came with, so that nobody goes on with what they planted.
    ///
    /// # Errors
    /// Where the tables did not answer, or the application has no secret to sign with.
    pub async fn after(&self, trail: &Trail, headers: &mut HeaderMap) -> Result<(), ApiError> {
        if trail.is_request {
            headers.remove(RETRY_HEADER);
        }
        let Some(said) = headers.remove(SESSION_HEADER).filter(|_| trail.is_request) else { return Ok(()) };
        let ops: Vec<SessionOp> = serde_json::from_slice(said.as_bytes()).map_err(|error| {
            ApiError::new(ErrorCode::HandlerError, format!("the handler's sessions cannot be read: {error}"))
        })?;
        let mut current = trail.session_id.clone();
        let mut cookie = None;
        for op in ops {
            let now_ms = self.clock.now_ms();
            if let Some(session_id) = current.take() {
                self.identities.revoke(&session_id, now_ms).await?;
            }
            cookie = match op {
                SessionOp::Destroy => self.identities.tokens.set_cookie("", trail.is_secure),
                SessionOp::Create { payload } => {
                    let session = self.new_session(payload, trail, now_ms);
                    let created = self.identities.create(&session, trail.is_secure).await;
                    let cookie = match created {
                        Ok(cookie) => cookie,
                        Err(error) => return Err(self.why_not(&session, error).await),
                    };
                    current = Some(session.id);
                    Some(cookie.ok_or_else(no_secret)?)
                }
            };
        }
        if let Some(cookie) = cookie {
            headers.append(header::SET_COOKIE, cookie);
        }
        Ok(())
    }

    /// Why a session could not be created: most often there is no such user.
    async fn why_not(&self, session: &Session, error: DirectoryError) -> ApiError {
        let id = &session.user_id;
        match self.identities.has_user(id).await {
            Ok(false) => {
                let message = format!(
                    "createSession was given the user \"{id}\", who is not in `users`: add the row before, and give its id"
                );
                ApiError::new(ErrorCode::NotFound, message)
            }
            _ => error.into(),
        }
    }

    fn new_session(&self, payload: Payload, trail: &Trail, now_ms: i64) -> Session {
        let mut user_agent = trail.user_agent.clone();
        if let Some(agent) = &mut user_agent {
            agent.truncate(agent.floor_char_boundary(AGENT_BYTES_MAX));
        }
        Session {
            id: uuid::Uuid::now_v7().to_string(),
            user_id: payload.user_id,
            org_id: payload.org_id,
            payload: payload.more,
            created_at: now_ms,
            expires_at: now_ms + self.identities.tokens.lifetime_ms(),
            last_active_at: now_ms,
            revoked_at: None,
            ip: trail.ip.map(|ip| ip.to_string()),
            user_agent,
        }
    }
}

fn no_secret() -> ApiError {
    let message = "the application has no `auth.sessionSecret`; set one to create sessions";
    ApiError::new(ErrorCode::HandlerError, message)
}
