//! Why a write is refused, or finds nothing: its collection is missing, or its condition does not hold.

use super::matching::{modification, update_by_filter};
use crate::engine::{Actor, CollectionName, DocumentId, Precondition, WriteOp, Written};
use crate::error::EngineError;
use crate::matching::Search;
use crate::options::EngineOptions;
use crate::projection::Projection;
use crate::update::Update;

/// The answer to an operation in a collection that is missing: that of an empty one, as far as somebody may
/// know that there is none.
pub(super) fn not_there(
    actor: &Actor,
    operation: &WriteOp,
    options: &EngineOptions,
) -> Result<Written, EngineError> {
    let name = operation.collection().map(CollectionName::to_string).unwrap_or_default();
    if matches!(actor, Actor::Ruled(_)) {
        return Err(EngineError::Denied { collection: name });
    }
    check_asked(operation, options)?;
    match operation {
        WriteOp::Update { id, .. } | WriteOp::Delete { id, .. } => {
            Err(EngineError::DocumentNotFound { collection: name, id: id.to_string() })
        }
        WriteOp::UpdateMatching { .. } => Ok(Written::Updated { matched: 0, modified: 0, upserted_id: None }),
        WriteOp::DeleteMatching { .. } => Ok(Written::Deleted(0)),
        WriteOp::FindAndModify(_) => Ok(Written::Found(None)),
        _ => Err(EngineError::CollectionNotFound(name)),
    }
}

/// What is malformed is refused whatever there is.
fn check_asked(operation: &WriteOp, options: &EngineOptions) -> Result<(), EngineError> {
    match operation {
        WriteOp::Update { update, .. } => Update::parse(update).map(drop)?,
        WriteOp::UpdateMatching { change, .. } => update_by_filter(change).map(drop)?,
        WriteOp::FindAndModify(asked) => {
            modification(&asked.change)?;
            Projection::parse(&asked.fields)?;
        }
        _ => {}
    }
    Search::of(operation, 1).map_or(Ok(()), |(_, search)| search.query(0, options).map(drop))
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
