//! On whose behalf a request runs: the project, its database, and whether its rules decide. All of it
//! comes from the grant, nothing from the request.

use crate::error;
use bundoc::engine::{Actor, DatabaseName, RuleAuth};
use bundoc::error::EngineError;
use ports::access::{AccessError, Grant};
use service_kit::error::ApiError;
use service_kit::ids::ProjectId;
use std::sync::Arc;

/// The caller's project and how its rules apply.
pub(crate) struct Scope {
    pub(crate) project: ProjectId,
    pub(crate) database: DatabaseName,
    pub(crate) actor: Actor,
}

impl Scope {
    pub(crate) fn from_grant(grant: &Grant) -> Result<Self, ApiError> {
        let project = grant.project.clone().ok_or(AccessError::ProjectNotFound)?;
        let database = database_of(&project).map_err(error::engine)?;
        let actor =
            if grant.is_ruled() { Actor::Ruled(Arc::new(RuleAuth::default())) } else { Actor::Trusted };
        Ok(Self { project, database, actor })
    }

    /// What this caller may see of an error: to one whom rules decide about, a missing collection answers
    /// like a closed one.
    pub(crate) fn visible(&self, error: EngineError) -> EngineError {
        visible_to(&self.actor, error)
    }
}

/// See `Scope::visible`.
pub(crate) fn visible_to(actor: &Actor, error: EngineError) -> EngineError {
    match (actor, error) {
        (Actor::Ruled(_), EngineError::CollectionNotFound(collection)) => EngineError::Denied { collection },
        (Actor::Ruled(_), EngineError::BatchOperation { index, source }) => {
            EngineError::BatchOperation { index, source: Box::new(visible_to(actor, *source)) }
        }
        (_, error) => error,
    }
}

/// The database of a project is named by the project's id.
pub(crate) fn database_of(project: &ProjectId) -> Result<DatabaseName, EngineError> {
    DatabaseName::parse(project.as_str())
}
