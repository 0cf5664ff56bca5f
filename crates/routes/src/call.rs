//! gRPC calls of programs outside: who asks, by the call's metadata, and the audit record of a change. The same
//! question and the same record as in front of a route.

use crate::record::{TARGET_CHARS_MAX, USER_AGENT_CHARS_MAX, cut, recorded, text, worth};
use crate::standing::{OwnedAsk, Standing};
use http::{HeaderMap, StatusCode, header};
use ports::access::{Access, Action, Credentials, Grant, Peer};
use ports::audit::AuditEntry;
use service_kit::error::ApiError;
use std::sync::Arc;

/// The metadata with which a developer says which project; a key says it by itself.
const PROJECT: &str = "x-bunbase-project";

/// What proves in the metadata of a call who makes it. Cookies are what browsers add by themselves, and
/// browsers do not speak gRPC.
pub fn call_credentials(metadata: &HeaderMap) -> Credentials {
    Credentials { session: None, end_user_session: None, ..Credentials::from_headers(metadata, None) }
}

/// The project that the metadata of a call names.
pub fn call_project(metadata: &HeaderMap) -> Option<&str> {
    text(metadata, PROJECT)
}

impl Standing {
    /// That of a call, from its metadata. Nothing is asked before `check`.
    pub fn of_call(access: Arc<dyn Access>, metadata: &HeaderMap, action: Action) -> Self {
        let question = match call_project(metadata) {
            Some(project) => OwnedAsk::Project(project.to_owned(), action),
            None => OwnedAsk::Key(action),
        };
        Self::asked(access, call_credentials(metadata), question)
    }
}

/// The audit record of a change over gRPC, but for its outcome.
pub struct CallRecord(AuditEntry);

impl CallRecord {
    /// `call` is the full name of the method, such as `bundoc.v1.Documents/SetRules`.
    pub fn new(grant: &Grant, call: String, (metadata, peer): (&HeaderMap, Option<Peer>)) -> Self {
        Self(AuditEntry {
            caller: grant.caller.clone(),
            project: grant.project.clone(),
            action: call,
            summary: "A change over gRPC".to_owned(),
            target: std::collections::BTreeMap::new(),
            status: 0,
            address: peer.map(|peer| peer.0.to_canonical().to_string()),
            user_agent: text(metadata, header::USER_AGENT.as_str())
                .map(|agent| cut(agent, USER_AGENT_CHARS_MAX)),
            request_id: None,
        })
    }

    /// Names one thing that is changed.
    #[must_use]
    pub fn target(mut self, name: &str, value: &str) -> Self {
        self.0.target.insert(name.to_owned(), cut(value, TARGET_CHARS_MAX));
        self
    }

    /// Writes the record, and answers what became of the change.
    ///
    /// # Errors
    /// What `done` says; a change that cannot be written down is told as one.
    pub async fn keep<T>(mut self, access: &dyn Access, done: Result<T, ApiError>) -> Result<T, ApiError> {
        let status = done.as_ref().map_or_else(|failed| failed.code.status(), |_| StatusCode::OK);
        if !worth(&self.0, status) {
            return done;
        }
        self.0.status = status.as_u16();
        recorded(access, self.0).await?;
        done
    }
}
