//! What a change is on the bus.

use crate::live::{Show, event_id};
use bson::RawDocument;
use bundoc::engine::{Change, ChangeKind};
use bytes::Bytes;
use serde_json::json;
use service_kit::ids::ProjectId;

/// How much of a change is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// With the document as it is.
    Whole,
    /// Without it: it is larger than an event may be.
    WithoutDocument,
}

/// `{projectId, collection, docId, type, document, id}`; `None` for what is not told.
pub(super) fn payload(project: &ProjectId, epoch: &str, change: &Change, detail: Detail) -> Option<Bytes> {
    let (kind, document): (_, Option<&RawDocument>) = match &change.kind {
        ChangeKind::Added(after) => (Show::Added.name(), Some(after)),
        ChangeKind::Modified { after, .. } => (Show::Modified.name(), Some(after)),
        ChangeKind::Removed { .. } => (Show::Removed.name(), None),
        ChangeKind::Dropped => ("dropped", None),
        ChangeKind::RulesReplaced => return None,
    };
    let head = json!({
        "projectId": project.as_str(),
        "collection": change.collection.as_str(),
        "docId": change.id.as_ref().map(|id| id.as_str()),
        "type": kind,
        "id": event_id(epoch, change.position),
    });
    let mut text = head.to_string().into_bytes();
    text.pop();
    text.extend_from_slice(b",\"document\":");
    match document {
        Some(document) if detail == Detail::Whole => bundoc::json::to_json(document, &mut text).ok()?,
        Some(_) => text.extend_from_slice(b"null,\"documentOmitted\":true"),
        None => text.extend_from_slice(b"null"),
    }
    text.push(b'}');
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;
    use bundoc::engine::{ChangePosition, CollectionName, DocumentId};

    #[test]
    fn a_payload_says_what_happened_to_which_document() {
        let project = ProjectId::generate();
        let change = Change {
            position: ChangePosition { commit: 4, index: 1 },
            collection: CollectionName::parse("c").unwrap(),
            number: Some(1),
            id: Some(DocumentId::parse("x").unwrap()),
            kind: ChangeKind::Added(rawdoc! {"_id": "x", "n": 1}),
        };
        let told = |detail| -> serde_json::Value {
            serde_json::from_slice(&payload(&project, "e", &change, detail).unwrap()).unwrap()
        };
        let whole = json!({
            "projectId": project.as_str(), "collection": "c", "docId": "x", "type": "added", "id": "e-4-1",
            "document": {"_id": "x", "n": 1},
        });
        assert_eq!(told(Detail::Whole), whole);
        let without = told(Detail::WithoutDocument);
        assert_eq!((&without["document"], &without["documentOmitted"]), (&json!(null), &json!(true)));
    }
}
