//! `/v1/projects/{project}/audit` and `/v1/audit`.

use super::Platform;
use crate::audit::{AuditWish, Entry as Found, Part};
use crate::error::PlatformError;
use crate::projects::{PAGE_MAX, developer_of};
use crate::store::AuditFilter;
use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use ports::access::{Action, Grant};
use routes::{Need, Route, Routes, Standing};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::clock::rfc3339;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

const ACTOR: &str = "only by this account or key: an id, or an e-mail address";
const ACTION: &str = "only where the action (method and path of the route) contains this";
const SINCE: &str = "not before this moment: RFC 3339, or milliseconds since 1970";
const UNTIL: &str = "before this moment";
const LIMIT: &str = "how many, 1 to 1000; 100 where it is left out";
const CURSOR: &str = "`next_cursor` of the answer before";

pub(super) fn mount(routes: Routes<Platform>) -> Routes<Platform> {
    use ErrorCode::{Forbidden, InvalidRequest, ProjectNotFound};
    let filtered = |route: Route| {
        let route = route.query("actor", ACTOR).query("action", ACTION);
        route.query("since", SINCE).query("until", UNTIL)
    };
    let paged = |route: Route| filtered(route).query("limit", LIMIT).query("cursor", CURSOR);
    let project = Route::get("/v1/projects/{project}/audit", Need::Project(Action::AuditRead));
    let project = paged(project)
        .summary("Who changed what in a project, from where, the newest first")
        .answers::<ListAnswer>(200, "a part of the log")
        .errors(&[InvalidRequest, ProjectNotFound, Forbidden]);
    let lines = Route::get("/v1/projects/{project}/audit/export", Need::Project(Action::AuditRead));
    let lines = filtered(lines)
        .summary("The same, whole, one JSON object a line")
        .answers_plain("200", "application/x-ndjson, streamed")
        .errors(&[InvalidRequest, ProjectNotFound, Forbidden]);
    let server = Route::get("/v1/audit", Need::Developer(Action::AuditRead));
    let server = paged(server)
        .query("project", "only of this project, which may be deleted")
        .summary("Who changed what on this server; for its administrators")
        .answers::<ListAnswer>(200, "a part of the log")
        .errors(&[InvalidRequest, Forbidden]);
    routes.add(project, list).add(lines, export).add(server, list_all)
}

/// Who did it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditActor)]
struct Actor {
    /// `developer`, `secret_key`, `public_key`, `function` or `operator`.
    kind: String,
    /// The account or the key.
    id: Option<String>,
    /// The e-mail address of the account.
    email: Option<String>,
    /// The name of the account.
    name: Option<String>,
    /// The role in the project, at that time.
    role: Option<String>,
    /// The API token, where it was not a session.
    token: Option<String>,
}

/// One change.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct Entry {
    /// A number that grows.
    id: String,
    /// When, RFC 3339.
    at: String,
    /// Who.
    actor: Actor,
    /// In which project, if in one.
    project: Option<String>,
    /// What, as a stable name: method and path of the route.
    action: String,
    /// The same for people.
    summary: String,
    /// What it was done to.
    #[schema(value_type = Object)]
    target: Map<String, Value>,
    /// The status of the answer.
    status: u16,
    /// The client's address.
    address: Option<String>,
    /// The client's program.
    user_agent: Option<String>,
    /// The request.
    request_id: Option<String>,
}

impl From<Found> for Entry {
    fn from(found: Found) -> Self {
        let Found { row, account } = found;
        let (email, name) = account.map(|account| (account.email, account.name)).unzip();
        Self {
            id: row.number.to_string(),
            at: rfc3339(row.at),
            actor: Actor {
                kind: row.actor_kind,
                id: row.actor,
                email,
                name,
                role: row.role,
                token: row.token,
            },
            project: row.project,
            action: row.action,
            summary: row.summary,
            target: serde_json::from_str(&row.target).unwrap_or_default(),
            status: row.status,
            address: row.address,
            user_agent: row.user_agent,
            request_id: row.request_id,
        }
    }
}

/// A part of the log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditList)]
struct ListAnswer {
    /// Changes, the newest first.
    entries: Vec<Entry>,
    /// Where the next part begins; `null` in the last one.
    next_cursor: Option<String>,
}

/// Which entries.
#[derive(Default, Deserialize)]
struct AuditQuery {
    project: Option<String>,
    actor: Option<String>,
    action: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl AuditQuery {
    fn split(self) -> Result<(AuditWish, Part), PlatformError> {
        let part = Part::parse(self.limit, self.cursor.as_deref())?;
        let Self { project, actor, action, since, until, .. } = self;
        Ok((AuditWish { project, actor, action, since, until }, part))
    }
}

type Asked = Result<Query<AuditQuery>, QueryRejection>;

fn read(asked: Asked) -> Result<(AuditWish, Part), PlatformError> {
    asked.map_err(|_| PlatformError::InvalidPage)?.0.split()
}

async fn list(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    asked: Asked,
) -> Result<Json<ListAnswer>, ApiError> {
    let (wish, part) = read(asked)?;
    let filter = service.audit_of_project(&grant, wish).await?;
    answer(&service, &filter, &part).await
}

async fn list_all(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    asked: Asked,
) -> Result<Json<ListAnswer>, ApiError> {
    let (wish, part) = read(asked)?;
    let filter = service.audit_of_server(developer_of(&grant)?, wish).await?;
    answer(&service, &filter, &part).await
}

async fn answer(service: &Platform, filter: &AuditFilter, part: &Part) -> Result<Json<ListAnswer>, ApiError> {
    let page = service.audit(filter, part).await?;
    let entries = page.entries.into_iter().map(Entry::from).collect();
    Ok(Json(ListAnswer { entries, next_cursor: page.next_cursor }))
}

async fn export(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Extension(standing): Extension<Standing>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let (wish, _) = read(asked)?;
    let filter = service.audit_of_project(&grant, wish).await?;
    let lines = Export { service, filter, standing };
    let stream = try_unfold((lines, Some(i64::MAX)), |(lines, before)| async move {
        let Some(before) = before else { return Ok(None) };
        let (text, next) = lines.part(before).await?;
        Ok::<_, axum::Error>(Some((text, (lines, next))))
    });
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\""),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// An export on its way: one part of the log in memory at a time, and the right to it asked again for each.
struct Export {
    service: Platform,
    filter: AuditFilter,
    standing: Standing,
}

impl Export {
    /// The lines below `before`, and where the next part begins.
    async fn part(&self, before: i64) -> Result<(Bytes, Option<i64>), axum::Error> {
        self.standing.check().await.map_err(axum::Error::new)?;
        let part = Part { before, limit: PAGE_MAX };
        let page = self.service.audit(&self.filter, &part).await.map_err(axum::Error::new)?;
        let next = page.next_cursor.and_then(|cursor| cursor.parse().ok());
        let mut text = Vec::new();
        for entry in page.entries {
            serde_json::to_writer(&mut text, &Entry::from(entry)).map_err(axum::Error::new)?;
            text.push(b'\n');
        }
        Ok((text.into(), next))
    }
}
