//! What a request is about: which project, which object, and whether the rules let it.

use crate::service::StorageService;
use axum::extract::{FromRequestParts, Query, RawPathParams};
use http::request::Parts;
use ports::access::{AccessError, Grant};
use ports::objects::ObjectName;
use rules::{Access, RuleUser};
use serde::de::DeserializeOwned;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;

/// The caller and its project.
pub(super) struct Scope {
    pub(super) project: ProjectId,
    grant: Grant,
}

/// An object of the caller's project.
pub(super) struct AtObject {
    pub(super) scope: Scope,
    pub(super) name: ObjectName,
}

/// The object that a signed address names; who asks does not matter.
pub(super) struct Named {
    pub(super) project: ProjectId,
    pub(super) name: ObjectName,
}

/// The parameters behind `?`; unknown ones are refused by name.
pub(super) struct Params<T>(pub(super) T);

impl Scope {
    /// The scope of a grant.
    pub(super) fn of(grant: Grant) -> Result<Self, ApiError> {
        let project = grant.project.clone().ok_or(AccessError::ProjectNotFound)?;
        Ok(Self { project, grant })
    }

    /// Whether the rules decide for this caller.
    pub(super) fn is_ruled(&self) -> bool {
        self.grant.is_ruled()
    }

    /// Who the rules see.
    pub(super) fn user(&self) -> Option<RuleUser<'_>> {
        self.grant.end_user.as_deref().map(|user| RuleUser { uid: user.id.as_str(), claims: &user.claims })
    }

    /// Asks the rules about an object, where they decide.
    pub(super) async fn permit(
        &self,
        service: &StorageService,
        access: Access,
        name: &ObjectName,
    ) -> Result<(), ApiError> {
        if !self.is_ruled() {
            return Ok(());
        }
        let rules = service.rules(&self.project).await?;
        if rules.allows(access, name.as_str(), self.user().as_ref()) { Ok(()) } else { Err(denied()) }
    }
}

/// The answer where no rule allows it; it does not say whether there is anything.
pub(super) fn denied() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "no rule of the storage allows this to a public key")
}

async fn path_params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, ApiError> {
    RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|rejected| ApiError::new(ErrorCode::InvalidRequest, rejected.body_text()))
}

fn param<'a>(params: &'a RawPathParams, wanted: &str) -> &'a str {
    params.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value)
}

impl<S: Send + Sync> FromRequestParts<S> for Scope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::of(parts.extensions.get::<Grant>().ok_or(AccessError::ProjectNotFound)?.clone())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AtObject {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let scope = Scope::from_request_parts(parts, state).await?;
        let name = ObjectName::parse(param(&path_params(parts, state).await?, "path"))?;
        Ok(Self { scope, name })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = path_params(parts, state).await?;
        let project = ProjectId::parse(param(&params, "project")).map_err(|_| not_signed())?;
        Ok(Self { project, name: ObjectName::parse(param(&params, "path"))? })
    }
}

/// The one answer to an address that was not signed here for this, has ended, or was revoked.
pub(super) fn not_signed() -> ApiError {
    let message = "the address is not signed for this, or not valid any more: ask for a new one";
    ApiError::new(ErrorCode::Forbidden, message)
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejected) => Err(ApiError::new(ErrorCode::InvalidRequest, rejected.body_text())),
        }
    }
}
