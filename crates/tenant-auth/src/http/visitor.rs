//! Who asks, for the limits; and in which project a request is at home.

use super::Service;
use crate::error::TenantAuthError;
use crate::limits::Visitor;
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use ports::access::{Caller, Grant, KeyKind, Peer};
use service_kit::error::ApiError;
use service_kit::ids::ProjectId;
use std::net::{IpAddr, Ipv4Addr};

/// The project of a request: of its grant, or as the path of a route that is open to all names it.
pub(super) struct InProject(pub(super) ProjectId);

impl FromRequestParts<Service> for InProject {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let granted = parts.extensions.get::<Grant>().and_then(|grant| grant.project.clone());
        if let Some(project) = granted {
            return Ok(Self(project));
        }
        let params = RawPathParams::from_request_parts(parts, service).await;
        let params = params.map_err(|_| TenantAuthError::ProjectNotFound.answer())?;
        let named = params.iter().find(|(name, _)| *name == "project");
        let project = named.and_then(|(_, text)| ProjectId::parse(text).ok());
        project.map(Self).ok_or_else(|| TenantAuthError::ProjectNotFound.answer())
    }
}

/// A visitor within the limit of their network; counted before any body is read.
impl FromRequestParts<Service> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, ApiError> {
        let InProject(project) = InProject::from_request_parts(parts, service).await?;
        let caller = parts.extensions.get::<Grant>().map(|grant| &grant.caller);
        let is_backend = matches!(caller, Some(Caller::Key { kind: KeyKind::Secret, .. } | Caller::Function));
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let address = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let visitor = Self { project, address, is_backend };
        let config = service.config(&visitor.project).await.map_err(|error| error.answer())?;
        let counted = service.limits.visit(&visitor, config.rate_limit.per_minute);
        counted.map_err(|error| error.answer())?;
        Ok(visitor)
    }
}
