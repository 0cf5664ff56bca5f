//! Why a write by id is refused, or finds nothing: its collection is missing, or its condition does not hold.

use crate::engine::{Actor, CollectionName, DocumentId, Precondition, WriteOp, Written};
use crate::error::EngineError;

/// The answer to an operation in a collection that is missing.
pub(super) fn not_there(actor: &Actor, operation: &WriteOp) -> Result<Written, EngineError> {
    let name = operation.collection().map(CollectionName::to_string).unwrap_or_default();
    match (actor, operation) {
        (Actor::Ruled(_), _) => Err(EngineError::Denied { collection: name }),
        (Actor::Trusted, WriteOp::Update { id, .. } | WriteOp::Delete { id, .. }) => {
            Err(EngineError::DocumentNotFound { collection: name, id: id.to_string() })
        }
        (Actor::Trusted, WriteOp::UpdateMatching { .. }) => {
            Ok(Written::Updated { matched: 0, modified: 0, upserted_id: None })
        }
        (Actor::Trusted, WriteOp::DeleteMatching { .. }) => Ok(Written::Deleted(0)),
        (Actor::Trusted, WriteOp::FindAndModify(_)) => Ok(Written::Found(None)),
        (Actor::Trusted, _) => Err(EngineError::CollectionNotFound(name)),
    }
}

/// Checks `if_version` and `if_absent` against the version of the document, `None` where it is missing.
pub(super) fn check_precondition(
    precondition: Precondition,
    present: Option<u64>,
    id: &DocumentId,
) -> Result<(), EngineError> {
    let holds = match precondition {
        Precondition::Any => true,
        Precondition::Version(version) => present == Some(version),
        Precondition::Absent => present.is_none(),
    };
    if holds { Ok(()) } else { Err(EngineError::PreconditionFailed { id: id.to_string() }) }
}
