//! What the audit log keeps of a change. The record is made in one place, in front of the handlers.

use crate::access::Caller;
use service_kit::ids::ProjectId;
use std::collections::BTreeMap;

/// One change: who, what, where from. When is added by the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who.
    pub caller: Caller,
    /// In which project, if in one.
    pub project: Option<ProjectId>,
    /// What, as a stable name: method and path of the route, such as `POST /v1/projects/{project}/keys`.
    pub action: String,
    /// The same for people: the route's summary.
    pub summary: String,
    /// What it was done to: the parameters of the path, without the project.
    pub target: BTreeMap<String, String>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Where from: the client's address.
    pub address: Option<String>,
    /// The client's `User-Agent`, cut to 200 characters.
    pub user_agent: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
}
