//! What a request is about: which project, which key, and whether the rules let it.

use crate::service::KeyValueService;
use axum::extract::{FromRequestParts, Query, RawPathParams};
use http::request::Parts;
use ports::access::{AccessError, Grant};
use ports::key_value::KvKey;
use rules::{Access, RuleUser};
use serde::de::DeserializeOwned;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;

/// The caller and its project.
pub(super) struct Scope {
    pub(super) project: ProjectId,
    grant: Grant,
}

/// A key of the caller's project.
pub(super) struct AtKey {
    pub(super) scope: Scope,
    pub(super) key: KvKey,
}

/// The parameters behind `?`; unknown ones are refused by name.
pub(super) struct Params<T>(pub(super) T);

impl Scope {
    /// Whether the rules decide for this caller.
    pub(super) fn is_ruled(&self) -> bool {
        self.grant.is_ruled()
    }

    /// Who the rules see.
    pub(super) fn user(&self) -> Option<RuleUser<'_>> {
        self.grant.end_user.as_deref().map(|user| RuleUser { uid: user.id.as_str(), claims: &user.claims })
    }
}

impl AtKey {
    /// Asks the rules, where they decide.
    pub(super) async fn permit(&self, service: &KeyValueService, access: Access) -> Result<(), ApiError> {
        if !self.scope.is_ruled() {
            return Ok(());
        }
        let rules = service.rules(&self.scope.project).await?;
        if rules.allows(access, self.key.as_str(), self.scope.user().as_ref()) {
            Ok(())
        } else {
            Err(denied())
        }
    }
}

/// The answer where no rule allows it; it does not say whether there is anything.
pub(super) fn denied() -> ApiError {
    ApiError::new(ErrorCode::Forbidden, "no rule of the key-value store allows this to a public key")
}

impl<S: Send + Sync> FromRequestParts<S> for Scope {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let grant = parts.extensions.get::<Grant>().ok_or(AccessError::ProjectNotFound)?.clone();
        let project = grant.project.clone().ok_or(AccessError::ProjectNotFound)?;
        Ok(Self { project, grant })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AtKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let scope = Scope::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|rejected| ApiError::new(ErrorCode::InvalidRequest, rejected.body_text()))?;
        let key = params.iter().find(|(name, _)| *name == "key").map_or("", |(_, value)| value);
        Ok(Self { scope, key: KvKey::parse(key)? })
    }
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
