//! `/v1/projects/{project}/members`.

use super::Platform;
use super::invitations::Invitation;
use crate::members::Member as Found;
use axum::Extension;
use axum::extract::{Path, State};
use http::StatusCode;
use ports::access::{Action, Grant, Role};
use routes::{Need, Recording, Route, Routes};
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

const MEMBER: &str = "/v1/projects/{project}/members/{user}";

pub(super) fn mount(routes: Routes<Platform>) -> Routes<Platform> {
    use ErrorCode::{Forbidden, InvalidRequest, LastOwner, MemberNotFound, ProjectNotFound};
    let list_all = Route::get("/v1/projects/{project}/members", Need::Project(Action::MemberRead))
        .summary("The members of a project, and the open invitations")
        .answers::<ListAnswer>(200, "members in the order they came, invitations in the order they were sent")
        .errors(&[ProjectNotFound, Forbidden]);
    let set_role = Route::patch(MEMBER, Need::Project(Action::MemberWrite))
        .summary("Give a member another role, at once; only owners name and change owners")
        .body::<RoleBody>()
        .answers::<MemberAnswer>(200, "the member")
        .errors(&[InvalidRequest, MemberNotFound, ProjectNotFound, Forbidden, LastOwner]);
    let end = Route::delete(MEMBER, Need::Project(Action::MemberWrite))
        .summary("Remove a member, at once, with the invitations they sent; only owners remove owners")
        .answers_plain("204", "no member any more")
        .errors(&[MemberNotFound, ProjectNotFound, Forbidden, LastOwner]);
    let go = Route::post("/v1/projects/{project}/leave", Need::Project(Action::ProjectLeave))
        .summary("Leave a project")
        .answers_plain("204", "no member any more")
        .errors(&[ProjectNotFound, Forbidden, LastOwner]);
    routes.add(list_all, list).add(set_role, change).add(end, remove).add(go, leave)
}

/// Another role.
#[derive(Deserialize, ToSchema)]
#[schema(as = MemberRole)]
#[serde(deny_unknown_fields)]
struct RoleBody {
    /// `owner`, `admin`, `member` or `viewer`.
    #[schema(value_type = String)]
    role: Role,
}

/// A member of a project.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectMember)]
struct Member {
    /// `usr_…`.
    user_id: String,
    /// The e-mail address; `null` where the account is gone.
    email: Option<String>,
    /// The name; `null` where the account is gone.
    name: Option<String>,
    /// `owner`, `admin`, `member` or `viewer`.
    role: String,
    /// Since when, RFC 3339.
    created_at: String,
}

impl From<Found> for Member {
    fn from(found: Found) -> Self {
        let Found { row, account } = found;
        let (email, name) = account.map(|account| (account.email, account.name)).unzip();
        let created_at = rfc3339(row.created_at);
        Self { user_id: row.account, email, name, role: row.role, created_at }
    }
}

/// A member in an answer.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectMemberAnswer)]
struct MemberAnswer {
    /// The member.
    member: Member,
}

/// Who is in a project, and who may come.
#[derive(Serialize, ToSchema)]
#[schema(as = ProjectMemberList)]
struct ListAnswer {
    /// The members.
    members: Vec<Member>,
    /// Invitations that can still be accepted.
    invitations: Vec<Invitation>,
}

async fn list(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
) -> Result<Json<ListAnswer>, ApiError> {
    let (members, invitations) = service.people(&grant).await?;
    Ok(Json(ListAnswer {
        members: members.into_iter().map(Member::from).collect(),
        invitations: invitations.into_iter().map(Invitation::from).collect(),
    }))
}

async fn change(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Path((_, user)): Path<(String, String)>,
    Json(body): Json<RoleBody>,
) -> Result<(Extension<Recording>, Json<MemberAnswer>), ApiError> {
    let member = service.change_member(&grant, &user, body.role).await?;
    let recording = Recording::default().target("role", body.role.as_str());
    Ok((Extension(recording), Json(MemberAnswer { member: member.into() })))
}

async fn remove(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
    Path((_, user)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    service.remove_member(&grant, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn leave(
    State(service): State<Platform>,
    Extension(grant): Extension<Grant>,
) -> Result<StatusCode, ApiError> {
    service.leave(&grant).await?;
    Ok(StatusCode::NO_CONTENT)
}
