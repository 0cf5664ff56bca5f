//! Events as they are sent: each is written once, however many get it.

use super::position::event_id;
use super::shared::SharedQuery;
use bson::RawDocument;
use bundoc::engine::{Change, ChangeKind, ChangePosition};
use bytes::Bytes;
use service_kit::ids::ProjectId;
use service_kit::sse;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What a subscriber is told that a change is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Show {
    Added,
    Modified,
    Removed,
}

impl Show {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Removed => "removed",
        }
    }
}

/// A change, and its events as far as they were needed.
pub(super) struct LiveChange {
    pub(super) change: Change,
    pub(super) id: String,
    events: [OnceLock<Bytes>; 3],
    answers: Mutex<Answers>,
}

/// What the change is to queries, by their number.
#[derive(Default)]
struct Answers {
    matches: HashMap<u64, bool>,
    events: HashMap<(u64, Show), Bytes>,
}

impl LiveChange {
    pub(super) fn new(change: Change, epoch: &str) -> Self {
        let id = event_id(epoch, change.position);
        Self { change, id, events: Default::default(), answers: Mutex::default() }
    }

    /// The document as it is after the change.
    pub(super) fn document(&self) -> Option<&RawDocument> {
        match &self.change.kind {
            ChangeKind::Added(after) | ChangeKind::Modified { after, .. } => Some(after),
            ChangeKind::Removed { .. } | ChangeKind::Dropped | ChangeKind::RulesReplaced => None,
        }
    }

    pub(super) fn document_id(&self) -> &str {
        self.change.id.as_ref().map_or("", |id| id.as_str())
    }

    /// Bytes of documents in it.
    pub(super) fn bytes(&self) -> usize {
        let before = match &self.change.kind {
            ChangeKind::Modified { before, .. } | ChangeKind::Removed { before } => before.as_ref(),
            ChangeKind::Added(_) | ChangeKind::Dropped | ChangeKind::RulesReplaced => None,
        };
        let length = |document: &RawDocument| document.as_bytes().len();
        self.document().map_or(0, length) + before.map_or(0, |before| length(before))
    }

    /// Whether the document as it is now is one of a query; found once for each.
    pub(super) fn matches(&self, query: &SharedQuery) -> bool {
        let Some(document) = self.document() else { return false };
        let mut answers = self.answers();
        *answers.matches.entry(query.number).or_insert_with(|| query.matcher.matches(document))
    }

    /// The event with the fields of a query; written once for each.
    pub(super) fn event_for(&self, query: &SharedQuery, show: Show) -> Bytes {
        let write = || {
            let document = self.document().filter(|_| show != Show::Removed);
            match document.map(|document| query.matcher.shown(document)) {
                Some(Ok(Some(shown))) => change(Some(&self.id), show, (self.document_id(), Some(&shown))),
                _ => self.event(show),
            }
        };
        self.answers().events.entry((query.number, show)).or_insert_with(write).clone()
    }

    /// Drops what only those needed to whom it was handed out at once.
    pub(super) fn forget_answers(&self) {
        *self.answers() = Answers::default();
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event with the whole document.
    pub(super) fn event(&self, show: Show) -> Bytes {
        let write = || {
            let document = self.document().filter(|_| show != Show::Removed);
            change(Some(&self.id), show, (self.document_id(), document))
        };
        self.events[show as usize].get_or_init(write).clone()
    }
}

/// `change`; where the document cannot be written, `resync` in its place.
pub(super) fn change(
    id: Option<&str>,
    show: Show,
    (document_id, document): (&str, Option<&RawDocument>),
) -> Bytes {
    let bytes = document.map_or(0, |document| document.as_bytes().len());
    let mut data = Vec::with_capacity(64 + document_id.len() + bytes + bytes / 2);
    data.extend_from_slice(b"{\"type\":\"");
    data.extend_from_slice(show.name().as_bytes());
    data.extend_from_slice(b"\",\"docId\":");
    data.extend_from_slice(serde_json::Value::from(document_id).to_string().as_bytes());
    data.extend_from_slice(b",\"document\":");
    let written = match document {
        Some(document) => bundoc::json::to_json(document, &mut data),
        None => {
            data.extend_from_slice(b"null");
            Ok(())
        }
    };
    if let Err(error) = written {
        tracing::error!(%error, "a changed document cannot be written as JSON");
        return sse::event("resync", id, b"{}");
    }
    data.push(b'}');
    sse::event("change", id, &data)
}

/// `connected`: the beginning of every stream.
pub(super) fn connected(project: &ProjectId, collection: &str, id: Option<&str>) -> Bytes {
    let data = serde_json::json!({ "projectId": project.as_str(), "collection": collection });
    sse::event("connected", id, data.to_string().as_bytes())
}

/// `resync`: what the subscriber has may be wrong, and is to be read again.
pub(super) fn resync(epoch: &str, position: ChangePosition) -> Bytes {
    sse::event("resync", Some(&event_id(epoch, position)), b"{}")
}

/// `ready`: the result of a live query is complete.
pub(super) fn ready() -> Bytes {
    sse::event("ready", None, b"{}")
}

/// `close`: the end of a stream, and why.
pub(super) fn close(reason: &str) -> Bytes {
    sse::event("close", None, serde_json::json!({ "reason": reason }).to_string().as_bytes())
}
