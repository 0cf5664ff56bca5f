//! An end user as answers show them.

use crate::claims;
use crate::error::TenantAuthError;
use crate::sessions::SignedIn;
use crate::store::User;
use serde::Serialize;
use serde_json::{Map, Value};
use service_kit::clock::rfc3339;
use service_kit::ids::ProjectId;
use utoipa::ToSchema;

/// An end user.
#[derive(Serialize, ToSchema)]
#[schema(as = EndUser)]
pub(super) struct UserShown {
    /// `eus_…`.
    id: String,
    /// The same.
    user_id: String,
    /// The e-mail address, in lower case.
    email: String,
    /// Whether the address was verified.
    email_verified: bool,
    /// The project.
    project_id: String,
    /// The name.
    name: Option<String>,
    /// What developers set.
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
    /// Whether the account is disabled.
    disabled: bool,
    /// RFC 3339.
    created_at: String,
    /// RFC 3339.
    updated_at: String,
}

impl UserShown {
    pub(super) fn of(project: &ProjectId, user: User) -> Result<Self, TenantAuthError> {
        Ok(Self {
            id: user.id.as_str().to_owned(),
            user_id: user.id.as_str().to_owned(),
            email: user.email,
            email_verified: user.email_verified,
            project_id: project.as_str().to_owned(),
            name: user.name,
            claims: claims::read(&user.claims)?,
            disabled: user.disabled,
            created_at: rfc3339(user.created_at),
            updated_at: rfc3339(user.updated_at),
        })
    }
}

/// An end user in an answer.
#[derive(Serialize, ToSchema)]
#[schema(as = EndUserAnswer)]
pub(super) struct UserAnswer {
    /// The user.
    pub(super) user: UserShown,
}

impl UserAnswer {
    pub(super) fn of(project: &ProjectId, user: User) -> Result<Self, TenantAuthError> {
        Ok(Self { user: UserShown::of(project, user)? })
    }
}

/// An end user who is signed in.
#[derive(Serialize, ToSchema)]
#[schema(as = EndUserSignedIn)]
pub(super) struct SignedInAnswer {
    /// The user.
    user: UserShown,
    /// Stands for the user in `Authorization: Bearer …`, beside a project key.
    access_token: String,
    /// Is exchanged for new tokens, once.
    refresh_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds that the access token is valid.
    expires_in: i64,
}

impl SignedInAnswer {
    pub(super) fn of(project: &ProjectId, signed_in: SignedIn) -> Result<Self, TenantAuthError> {
        let SignedIn { user, tokens } = signed_in;
        Ok(Self {
            user: UserShown::of(project, user)?,
            access_token: tokens.access,
            refresh_token: tokens.refresh,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
        })
    }
}
