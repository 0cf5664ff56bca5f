//! Versions, and what decides which of them takes which calls.

use crate::manifest::Manifest;
use crate::routing::Routing;
use crate::runtime::Runtime;
use crate::store::aliases::AliasRow;
use crate::store::changes::Change;
use crate::store::domains::DomainRow;
use crate::store::versions::VersionRow;
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use utoipa::ToSchema;

/// A version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionView {
    version: String,
    /// `built`, or `deployed` where it takes the function's own calls.
    status: String,
    runtime: Runtime,
    /// The export that is called.
    handler: String,
    /// SHA-256 of what was uploaded, in hex.
    checksum: String,
    /// `source`, `bundle` or `archive`: what was uploaded.
    form: String,
    /// Of the stored bundle.
    size_bytes: i64,
    /// When it was made.
    built_at: String,
    /// When it last began to take the function's calls.
    deployed_at: Option<String>,
    /// Its share of the calls, against that of the other one.
    weight: Option<u32>,
    /// Names under which it can be called.
    aliases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Manifest>,
}

impl VersionView {
    pub(crate) fn of(row: VersionRow, routing: &Routing, history: &[Change]) -> Self {
        let share = routing.live.iter().find(|(version, _)| version.id == row.id);
        let aliases = routing.aliases.iter().filter(|(_, version)| version.id == row.id);
        let deployed =
            history.iter().find(|change| change.state == "deployed" && change.version_id == row.id);
        Self {
            version: row.version.to_string(),
            status: if share.is_some() { "deployed" } else { "built" }.to_owned(),
            runtime: row.manifest.runtime(),
            handler: row.handler,
            checksum: row.checksum,
            form: row.form,
            size_bytes: row.size_bytes,
            built_at: rfc3339(row.created_at),
            deployed_at: deployed.map(|change| rfc3339(change.at)),
            weight: share.map(|(_, weight)| *weight),
            aliases: aliases.map(|(name, _)| name.clone()).collect(),
            manifest: Some((*row.manifest).clone()),
        }
    }

    pub(crate) fn without_manifest(self) -> Self {
        Self { manifest: None, ..self }
    }
}

/// Versions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionList {
    pub(crate) versions: Vec<VersionView>,
}

/// Back to which version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// The one that was active before, where absent.
    pub(crate) version: Option<String>,
}

/// How calls are shared.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traffic {
    /// One version, or two.
    pub(crate) versions: Vec<Share>,
}

/// A version's share.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Share {
    pub(crate) version: String,
    /// Against that of the other: 0 to 10,000.
    pub(crate) weight: u32,
}

/// A version's share.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShareView {
    version: String,
    weight: u32,
}

impl ShareView {
    pub(crate) fn of((version, weight): &(VersionRow, u32)) -> Self {
        Self { version: version.version.to_string(), weight: *weight }
    }
}

/// What an alias is to mean.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutAlias {
    pub(crate) version: String,
}

/// An alias.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AliasView {
    alias: String,
    version: String,
    created_at: String,
    updated_at: String,
}

impl From<(AliasRow, VersionRow)> for AliasView {
    fn from((alias, version): (AliasRow, VersionRow)) -> Self {
        Self {
            alias: alias.name,
            version: version.version.to_string(),
            created_at: rfc3339(alias.created_at),
            updated_at: rfc3339(alias.updated_at),
        }
    }
}

/// Aliases.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AliasList {
    pub(crate) aliases: Vec<AliasView>,
}

/// A change of a function.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangeView {
    /// `registered`, `built` or `deployed`.
    state: String,
    version: Option<String>,
    at: String,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        let version = (!change.version.is_empty()).then_some(change.version);
        Self { state: change.state, version, at: rfc3339(change.at) }
    }
}

/// Which function a domain is to mean.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutDomain {
    /// Its name.
    pub(crate) function: String,
}

/// A domain.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DomainView {
    host: String,
    function: String,
    created_at: String,
}

impl From<DomainRow> for DomainView {
    fn from(row: DomainRow) -> Self {
        Self { host: row.host, function: row.function, created_at: rfc3339(row.created_at) }
    }
}

/// Domains.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DomainList {
    pub(crate) domains: Vec<DomainView>,
}
