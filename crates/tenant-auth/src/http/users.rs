//! `/v1/auth/users` and `/v1/projects/{project}/auth/users`: end users as developers manage them.

use super::user::{UserAnswer, UserShown};
use super::visitor::InProject;
use super::{Endpoint, Mounted, Service};
use crate::error::TenantAuthError;
use crate::store::UserPage;
use crate::users::{NewUser, UserChange};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use credentials::{Email, Password};
use http::StatusCode;
use ports::access::Action;
use routes::{Recording, Route};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::error::ErrorCode;
use service_kit::json::Json;
use std::collections::HashMap;
use utoipa::ToSchema;

const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 1000;

/// A user to be made.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewEndUser)]
#[serde(deny_unknown_fields)]
struct NewUserBody {
    /// The e-mail address; upper and lower case are the same.
    email: String,
    /// Without one the user sets it by the link for a forgotten password.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
    /// 1 to 100 characters.
    name: Option<String>,
    /// Whether the address counts as verified.
    #[serde(default)]
    email_verified: bool,
    /// Custom claims.
    #[serde(default)]
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
}

/// What is to be changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserChange)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    /// A new address has to be verified again.
    email: Option<String>,
    /// Whether the address counts as verified.
    email_verified: Option<bool>,
    /// 1 to 100 characters.
    name: Option<String>,
    /// `true` ends all sessions.
    disabled: Option<bool>,
    /// Ends all sessions.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
}

/// Custom claims, all of them.
#[derive(Deserialize, ToSchema)]
#[schema(as = EndUserClaims)]
#[serde(deny_unknown_fields)]
struct ClaimsBody {
    /// At most 4 KiB as JSON; rules see them as `request.auth.claims`.
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
}

/// One page.
#[derive(Serialize, ToSchema)]
#[schema(as = EndUsers)]
struct UsersAnswer {
    /// The users.
    users: Vec<UserShown>,
    /// Where the next page begins.
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    email: Option<String>,
    /// The key, where a browser cannot set headers.
    #[serde(rename = "key")]
    _key: Option<String>,
}

/// The two paths of a resource.
macro_rules! paths {
    ($path:literal) => {
        [concat!("/v1/auth/users", $path), concat!("/v1/projects/{project}/auth/users", $path)]
    };
}

const LIST: Endpoint = Endpoint {
    method: Route::get,
    paths: paths!(""),
    action: Action::EndUserRead,
    describe: |route| {
        route
            .summary("List end users")
            .query("limit", "1 to 1000, default 50")
            .query("cursor", "where an earlier page ended")
            .query("email", "how the addresses begin")
            .answers::<UsersAnswer>(200, "one page")
            .errors(&[ErrorCode::InvalidRequest])
    },
};

const CREATE: Endpoint = Endpoint {
    method: Route::post,
    paths: paths!(""),
    action: Action::EndUserWrite,
    describe: |route| {
        route
            .summary("Make an end user")
            .body::<NewUserBody>()
            .answers::<UserAnswer>(201, "the user")
            .errors(&[ErrorCode::InvalidRequest, ErrorCode::AccountExists, ErrorCode::LimitExceeded])
    },
};

const GET: Endpoint = Endpoint {
    method: Route::get,
    paths: paths!("/{user}"),
    action: Action::EndUserRead,
    describe: |route| {
        route
            .summary("One end user")
            .answers::<UserAnswer>(200, "the user")
            .errors(&[ErrorCode::UserNotFound])
    },
};

const UPDATE: Endpoint = Endpoint {
    method: Route::patch,
    paths: paths!("/{user}"),
    action: Action::EndUserWrite,
    describe: |route| {
        route
            .summary("Change an end user")
            .body::<ChangeBody>()
            .answers::<UserAnswer>(200, "the user")
            .errors(&[ErrorCode::InvalidRequest, ErrorCode::UserNotFound, ErrorCode::AccountExists])
    },
};

const REMOVE: Endpoint = Endpoint {
    method: Route::delete,
    paths: paths!("/{user}"),
    action: Action::EndUserWrite,
    describe: |route| {
        route
            .summary("Remove an end user with all sessions")
            .answers_plain("204", "removed")
            .errors(&[ErrorCode::UserNotFound])
    },
};

const CLAIMS: Endpoint = Endpoint {
    method: Route::put,
    paths: paths!("/{user}/claims"),
    action: Action::EndUserWrite,
    describe: |route| {
        route
            .summary("Set the custom claims of an end user")
            .body::<ClaimsBody>()
            .answers::<UserAnswer>(200, "the user")
            .errors(&[ErrorCode::InvalidRequest, ErrorCode::UserNotFound])
    },
};

const END_SESSIONS: Endpoint = Endpoint {
    method: Route::delete,
    paths: paths!("/{user}/sessions"),
    action: Action::EndUserWrite,
    describe: |route| {
        route
            .summary("End all sessions of an end user")
            .answers_plain("204", "ended")
            .errors(&[ErrorCode::UserNotFound])
    },
};

pub(super) fn mount(routes: Mounted) -> Mounted {
    routes
        .both(&LIST, list)
        .both(&CREATE, create)
        .both(&GET, get)
        .both(&UPDATE, update)
        .both(&REMOVE, remove)
        .both(&CLAIMS, set_claims)
        .both(&END_SESSIONS, end_sessions)
}

/// The user that a path names.
type UserPath = Path<HashMap<String, String>>;

fn named(Path(params): &UserPath) -> &str {
    params.get("user").map_or("", String::as_str)
}

async fn list(
    State(service): State<Service>,
    InProject(project): InProject,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<UsersAnswer>, TenantAuthError> {
    let Query(query) = query.map_err(|error| TenantAuthError::Invalid(error.body_text()))?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(TenantAuthError::Invalid(format!("`limit` must be 1 to {PAGE_MAX}")));
    }
    let email_prefix = query.email.as_deref().map(Email::normal).filter(|prefix| !prefix.is_empty());
    service.store.prepare(&project).await?;
    let page = UserPage { email_prefix, limit, cursor: query.cursor };
    let (users, next_cursor) = service.store.users(&project, page).await?;
    let users = users.into_iter().map(|user| UserShown::of(&project, user));
    Ok(Json(UsersAnswer { users: users.collect::<Result<_, _>>()?, next_cursor }))
}

async fn create(
    State(service): State<Service>,
    InProject(project): InProject,
    Json(body): Json<NewUserBody>,
) -> Result<Response, TenantAuthError> {
    let NewUserBody { email, password, name, email_verified, claims } = body;
    let user = service.add_user(&project, NewUser { email, password, name, email_verified, claims }).await?;
    let recording = Recording::default().target("user", user.id.as_str());
    let answer = Json(UserAnswer::of(&project, user)?);
    Ok((StatusCode::CREATED, Extension(recording), answer).into_response())
}

async fn get(
    State(service): State<Service>,
    InProject(project): InProject,
    path: UserPath,
) -> Result<Json<UserAnswer>, TenantAuthError> {
    let user = service.user(&project, named(&path)).await?;
    Ok(Json(UserAnswer::of(&project, user.value)?))
}

async fn update(
    State(service): State<Service>,
    InProject(project): InProject,
    path: UserPath,
    Json(body): Json<ChangeBody>,
) -> Result<Json<UserAnswer>, TenantAuthError> {
    let ChangeBody { email, email_verified, name, disabled, password } = body;
    let change = UserChange { email, email_verified, name, disabled, password };
    let user = service.update_user(&project, named(&path), change).await?;
    Ok(Json(UserAnswer::of(&project, user)?))
}

async fn remove(
    State(service): State<Service>,
    InProject(project): InProject,
    path: UserPath,
) -> Result<StatusCode, TenantAuthError> {
    service.remove_user(&project, named(&path)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_claims(
    State(service): State<Service>,
    InProject(project): InProject,
    path: UserPath,
    Json(body): Json<ClaimsBody>,
) -> Result<Json<UserAnswer>, TenantAuthError> {
    let user = service.set_claims(&project, named(&path), &body.claims).await?;
    Ok(Json(UserAnswer::of(&project, user)?))
}

async fn end_sessions(
    State(service): State<Service>,
    InProject(project): InProject,
    path: UserPath,
) -> Result<StatusCode, TenantAuthError> {
    service.end_sessions(&project, named(&path)).await?;
    Ok(StatusCode::NO_CONTENT)
}
