//! On whose behalf a request runs: the project, its database, and whether its rules decide. All of it
//! comes from the grant, nothing from the request.

use crate::error;
use crate::system::is_system;
use bson::{Bson, Document};
use bundoc::engine::{Actor, CollectionName, DatabaseName, RuleAuth};
use bundoc::error::EngineError;
use ports::access::{AccessError, Grant};
use serde_json::{Map, Value};
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
        Ok(Self { project, database, actor: actor_of(grant) })
    }

    /// The collection of that name, unless it belongs to a service: that one is like one that is missing.
    pub(crate) fn collection(&self, name: &str) -> Result<CollectionName, ApiError> {
        let parsed = CollectionName::parse(name).map_err(error::engine)?;
        if is_system(name) {
            let missing = EngineError::CollectionNotFound(name.to_owned());
            return Err(error::engine(self.visible(missing)));
        }
        Ok(parsed)
    }

    /// What this caller may see of an error: to one whom rules decide about, a missing collection answers
    /// like a closed one.
    pub(crate) fn visible(&self, error: EngineError) -> EngineError {
        visible_to(&self.actor, error)
    }
}

/// Whether rules decide, and what they see as `request.auth`.
pub(crate) fn actor_of(grant: &Grant) -> Actor {
    if !grant.is_ruled() {
        return Actor::Trusted;
    }
    let Some(user) = &grant.end_user else { return Actor::Ruled(Arc::default()) };
    let claims = claims_of(&user.claims);
    Actor::Ruled(Arc::new(RuleAuth { uid: Some(user.id.to_string()), claims }))
}

/// Claims as rules see them.
pub(crate) fn claims_of(claims: &Map<String, Value>) -> Document {
    claims.iter().map(|(name, value)| (name.clone(), claim(value))).collect()
}

/// A claim as rules see it; a whole number that 64 bits with a sign do not hold is a fraction.
fn claim(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(*value),
        Value::Number(value) => match value.as_i64() {
            Some(value) => Bson::Int64(value),
            None => value.as_f64().map_or(Bson::Null, Bson::Double),
        },
        Value::String(value) => Bson::String(value.clone()),
        Value::Array(values) => Bson::Array(values.iter().map(claim).collect()),
        Value::Object(fields) => {
            Bson::Document(fields.iter().map(|(name, value)| (name.clone(), claim(value))).collect())
        }
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
