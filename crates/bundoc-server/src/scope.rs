//! On whose behalf a request runs: the project, its database, whether its rules decide, and the open
//! transaction that it belongs to. All but the last comes from the grant, nothing from the request.

use crate::error;
use crate::system::is_system;
use bson::{Bson, Document};
use bundoc::engine::{Actor, CollectionName, CollectionPattern, DatabaseName, RuleAuth};
use bundoc::error::EngineError;
use http::HeaderMap;
use ports::access::{AccessError, Caller, Grant};
use ports::documents::SYSTEM_PREFIX;
use serde_json::{Map, Value};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::{EndUserId, KeyId, ProjectId, TokenId, TransactionId, UserId};
use std::sync::Arc;

/// The header (over gRPC the metadata) that puts a call into an open transaction.
pub(crate) const TRANSACTION_HEADER: &str = "x-bunbase-transaction";

/// The caller's project and how its rules apply.
pub(crate) struct Scope {
    pub(crate) project: ProjectId,
    pub(crate) database: DatabaseName,
    pub(crate) actor: Actor,
    pub(crate) identity: Identity,
    pub(crate) transaction: Option<TransactionId>,
}

/// Who calls, as far as a transaction is bound to its caller: a role or claims may change meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    Key(KeyId, Option<EndUserId>),
    Developer(UserId, Option<TokenId>),
    Function,
    /// Nobody of whom there could be two.
    Other,
}

impl Identity {
    fn of(grant: &Grant) -> Self {
        let end_user = || grant.end_user.as_ref().map(|user| user.id.clone());
        match &grant.caller {
            Caller::Key { id, .. } => Self::Key(id.clone(), end_user()),
            Caller::Developer { user, token, .. } => Self::Developer(user.clone(), token.clone()),
            Caller::Function => Self::Function,
            Caller::Nobody | Caller::Operator => Self::Other,
        }
    }
}

impl Scope {
    pub(crate) fn from_grant(grant: &Grant) -> Result<Self, ApiError> {
        let project = grant.project.clone().ok_or(AccessError::ProjectNotFound)?;
        let database = database_of(&project).map_err(error::engine)?;
        let (actor, identity) = (actor_of(grant), Identity::of(grant));
        Ok(Self { project, database, actor, identity, transaction: None })
    }

    /// The same, inside the transaction that the headers name.
    pub(crate) fn with_headers(mut self, headers: &HeaderMap) -> Result<Self, ApiError> {
        self.transaction = named_transaction(headers)?;
        Ok(self)
    }

    /// Whether rules decide about this caller.
    pub(crate) fn is_ruled(&self) -> bool {
        matches!(self.actor, Actor::Ruled(_))
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

    /// The collections that match a pattern. One that names those of services names none.
    pub(crate) fn pattern(&self, text: &str) -> Result<CollectionPattern, ApiError> {
        let parsed = CollectionPattern::parse(text).map_err(error::engine)?;
        if is_system(text) {
            let message = format!("`{SYSTEM_PREFIX}` is the server's: no pattern begins so");
            return Err(ApiError::new(ErrorCode::InvalidName, message));
        }
        Ok(parsed)
    }

    /// What this caller may see of an error: to one whom rules decide about, a missing collection answers
    /// like a closed one.
    pub(crate) fn visible(&self, error: EngineError) -> EngineError {
        visible_to(&self.actor, error)
    }
}

/// The transaction that a call says it belongs to; a malformed id is one that is not open.
pub(crate) fn named_transaction(headers: &HeaderMap) -> Result<Option<TransactionId>, ApiError> {
    let Some(value) = headers.get(TRANSACTION_HEADER) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| TransactionId::parse(text.trim()).ok());
    id.map(Some).ok_or_else(no_transaction)
}

/// The answer about a transaction that is not open, or not this caller's.
pub(crate) fn no_transaction() -> ApiError {
    ApiError::new(ErrorCode::TransactionNotFound, "there is no such open transaction")
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
