//! What the engine answers, as messages.

use crate::grpc::wire::{self, index, result};
use bson::Document;
use bundoc::engine::{
    CollectionInfo, Explanation, FieldOrder, GroupDocument, GroupIndexInfo, IndexInfo, IndexState, Order,
    PlanSummary, RuleSet, RuleVerdict, StoredDocument, Written,
};
use bytes::Bytes;
use service_kit::error::ApiError;

pub(super) fn stored(stored: StoredDocument) -> wire::Document {
    wire::Document { bson: stored.document.into_bytes().into(), version: stored.version }
}

pub(super) fn group(found: GroupDocument) -> wire::GroupDocument {
    let collection = found.collection.as_str().to_owned();
    wire::GroupDocument { collection, document: Some(stored(found.document)) }
}

/// A document that was made here.
pub(super) fn bytes(document: &Document) -> Result<Bytes, ApiError> {
    document.to_vec().map(Bytes::from).map_err(|broken| ApiError::internal(&broken))
}

fn fields(fields: Vec<FieldOrder>) -> Vec<wire::FieldOrder> {
    let field = |field: FieldOrder| wire::FieldOrder {
        path: field.path,
        descending: field.order == Order::Descending,
    };
    fields.into_iter().map(field).collect()
}

pub(super) fn written(written: Written) -> wire::Result {
    use result::What;
    let what = match written {
        Written::Created(document) => What::Created(stored(document)),
        Written::Changed(document) => What::Changed(stored(document)),
        Written::Removed(id) => What::Removed(id.to_string()),
        Written::Updated { matched, modified, upserted_id } => {
            let upserted_id = upserted_id.map(|id| id.to_string());
            What::Updated(wire::Updated { matched, modified, upserted_id })
        }
        Written::Deleted(deleted) => What::Deleted(deleted),
        Written::Found(found) => What::Found(wire::Found { document: found.map(stored) }),
        Written::Noted => What::Noted(wire::Done {}),
    };
    wire::Result { what: Some(what) }
}

fn plan(plan: PlanSummary) -> wire::Plan {
    wire::Plan {
        index: plan.index,
        bound_fields: u32::try_from(plan.bound_fields).unwrap_or(u32::MAX),
        ordered: plan.ordered,
        covered: plan.covered,
        estimated_examined: plan.estimated_examined,
        estimated_cost: plan.estimated_cost,
    }
}

pub(super) fn explanation(explained: Explanation) -> wire::ExplainReply {
    wire::ExplainReply {
        plan: Some(plan(explained.plan)),
        rejected: explained.rejected.into_iter().map(plan).collect(),
        returned: explained.returned,
        keys_examined: explained.keys_examined,
        documents_examined: explained.documents_examined,
        time_micros: u64::try_from(explained.time.as_micros()).unwrap_or(u64::MAX),
    }
}

fn rules(rules: RuleSet) -> wire::Rules {
    let RuleSet { read, list, create, update, delete, write } = rules;
    wire::Rules { read, list, create, update, delete, write }
}

pub(super) fn index(info: IndexInfo) -> Result<wire::Index, ApiError> {
    Ok(wire::Index {
        name: info.name,
        fields: fields(info.fields),
        unique: info.unique,
        sparse: info.sparse,
        partial: info.partial.as_ref().map(bytes).transpose()?,
        expire_after_seconds: info.expire_after.map(|time| time.as_secs()),
        state: Some(match info.state {
            IndexState::Building { documents_done } => index::State::Building(documents_done),
            IndexState::Ready => index::State::Ready(wire::Done {}),
            IndexState::Failed { reason } => index::State::Failed(reason),
        }),
    })
}

pub(super) fn group_index(info: GroupIndexInfo) -> Result<wire::GroupIndex, ApiError> {
    Ok(wire::GroupIndex { pattern: info.pattern.to_string(), index: Some(index(info.index)?) })
}

pub(super) fn collection(info: CollectionInfo) -> Result<wire::Collection, ApiError> {
    Ok(wire::Collection {
        name: info.name.to_string(),
        documents: info.documents,
        rules: Some(rules(info.rules)),
        indexes: info.indexes.into_iter().map(index).collect::<Result<_, _>>()?,
    })
}

pub(super) fn verdict(verdict: RuleVerdict) -> wire::CheckRuleReply {
    let RuleVerdict { allowed, rule, expression, reason } = verdict;
    wire::CheckRuleReply { allowed, rule: rule.map(str::to_owned), expression, reason }
}
