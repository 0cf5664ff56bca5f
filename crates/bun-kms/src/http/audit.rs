//! `/audit`: what was done with a project's keys and secrets, and by whom.

use super::extract::{PageQuery, Params};
use super::{Body, Endpoint, Mounted, Shared, paths};
use crate::audit::Entry;
use crate::kms::Scope;
use axum::extract::State;
use ports::access::Action;
use routes::{Need, Route};
use serde::Serialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

/// Lines of the audit log of keys and secrets.
#[derive(Serialize, ToSchema)]
struct KmsAuditList {
    /// The newest first. A page may have fewer than asked for, or none, and still a `next_cursor`.
    entries: Vec<KmsAuditEntry>,
    /// For the page before; left out at the beginning of the log. Valid until the server restarts.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One operation.
#[derive(Serialize, ToSchema)]
struct KmsAuditEntry {
    /// RFC 3339.
    time: String,
    /// Who.
    caller: KmsAuditCaller,
    /// What, such as `decrypt` or `secret.read`.
    operation: String,
    /// To what; left out for lists, and where the name was no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<KmsAuditResource>,
    /// `ok`, or the code of the error.
    outcome: String,
}

/// Who did it.
#[derive(Serialize, ToSchema)]
struct KmsAuditCaller {
    /// `developer`, `token`, `secret_key`, `function`, or `service` for the server itself.
    kind: String,
    /// The account, token or key.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

/// What it was done to.
#[derive(Serialize, ToSchema)]
struct KmsAuditResource {
    /// `key`, `secret` or `purpose`.
    kind: String,
    /// The name.
    name: String,
    /// The version.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
}

impl From<Entry> for KmsAuditEntry {
    fn from(entry: Entry) -> Self {
        let resource = entry.resource.map(|resource| KmsAuditResource {
            kind: resource.kind,
            name: resource.name,
            version: resource.version,
        });
        let caller = KmsAuditCaller { kind: entry.caller.kind, id: entry.caller.id };
        Self { time: entry.time, caller, operation: entry.operation, resource, outcome: entry.outcome }
    }
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let lists = Endpoint {
        method: Route::get,
        paths: paths!("/audit"),
        action: Action::AuditRead,
        describe: |route| {
            route
                .summary("What was done with a project's keys and secrets")
                .query("limit", "how many, 1 to 1000; 100 where it is left out")
                .query("cursor", "`next_cursor` of the answer before")
                .answers::<KmsAuditList>(200, "entries, the newest first")
                .errors(&[ErrorCode::InvalidRequest])
        },
        body: Body::Small,
    };
    // No key may read it, so that it has one form only.
    let [_, in_project] = lists.paths;
    mounted.one(&lists, (in_project, Need::Project(lists.action)), list)
}

async fn list(
    State(kms): State<Shared>,
    scope: Scope,
    Params(page): Params<PageQuery>,
) -> Result<Json<KmsAuditList>, ApiError> {
    let limit = page.limit()? as usize;
    let page = kms.list_audit(&scope, page.cursor.as_deref(), limit).await?;
    let entries = page.entries.into_iter().map(KmsAuditEntry::from).collect();
    Ok(Json(KmsAuditList { entries, next_cursor: page.next_cursor }))
}
