//! What one batch may have.

use crate::engine::{Modification, UpdateSpec, WriteOp};
use crate::error::{EngineError, Limit};
use crate::options::EngineOptions;
use bson::{Document, doc};

/// Checks how many operations there are, and their bytes.
pub(crate) fn check(operations: &[WriteOp], options: &EngineOptions) -> Result<(), EngineError> {
    if operations.is_empty() {
        return Err(EngineError::InvalidQuery("a batch has at least one operation".into()));
    }
    if operations.len() > options.batch_operations_max {
        return Err(EngineError::limit(
            Limit::BatchOperations,
            format!("a batch has {} operations at the most", options.batch_operations_max),
        ));
    }
    if operations.len() > 1 && bytes(operations) > options.batch_bytes_max {
        return Err(EngineError::limit(
            Limit::BatchBytes,
            format!("the documents of a batch have {} bytes together at the most", options.batch_bytes_max),
        ));
    }
    Ok(())
}

/// Bytes of operations, as far as their size is the caller's choice.
pub(crate) fn bytes(operations: &[WriteOp]) -> usize {
    operations.iter().map(bytes_of).sum()
}

fn bytes_of(operation: &WriteOp) -> usize {
    let size = |document: &Document| document.to_vec().map_or(0, |bytes| bytes.len());
    let update = |spec: &UpdateSpec| size(&spec.update) + spec.array_filters.iter().map(size).sum::<usize>();
    let modification = |change: &Modification| match change {
        Modification::Update(spec) => update(spec),
        Modification::Replace(document) => document.as_bytes().len(),
        Modification::Remove => 0,
    };
    match operation {
        WriteOp::Insert { document, .. } | WriteOp::Replace { document, .. } => document.as_bytes().len(),
        WriteOp::Update { update: spec, .. } => update(spec),
        WriteOp::UpdateMatching { filter, change, .. } => size(filter) + modification(change),
        WriteOp::DeleteMatching { filter, .. } => size(filter),
        WriteOp::FindAndModify(asked) => size(&asked.filter) + modification(&asked.change),
        WriteOp::Emit { payload, .. } => size(&doc! {"payload": payload.clone()}),
        WriteOp::Enqueue { payload, options, .. } => size(&doc! {"payload": payload.clone()}) + size(options),
        WriteOp::Delete { .. } => 0,
    }
}
