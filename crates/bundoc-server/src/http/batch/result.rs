//! What one operation of a batch did, as JSON.

use crate::json;
use bundoc::engine::Written;
use serde::Serialize;
use serde_json::value::RawValue;
use service_kit::error::ApiError;
use utoipa::ToSchema;

/// What one operation of a batch did.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct BatchResult {
    /// `created`, `changed`, `removed`, `updated`, `deleted`, `found` or `noted`.
    status: &'static str,
    /// The document, of an operation on one.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Its version, where it was not removed; inside a transaction it has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// `update_matching`: documents that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<u64>,
    /// `update_matching`: documents that are other than before.
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<u64>,
    /// `update_matching`: the document that was created because none matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    upserted_id: Option<Option<String>>,
    /// `delete_matching`: documents that were removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    /// `find_and_modify`: the document, or null.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    document: Option<Option<Box<RawValue>>>,
}

impl BatchResult {
    pub(super) fn new(written: Written) -> Result<Self, ApiError> {
        let id = json::id_of(&written).map(str::to_owned);
        Ok(match written {
            Written::Created(stored) => {
                Self { status: "created", id, version: version(stored.version), ..Self::default() }
            }
            Written::Changed(stored) => {
                Self { status: "changed", id, version: version(stored.version), ..Self::default() }
            }
            Written::Removed(_) => Self { status: "removed", id, ..Self::default() },
            Written::Updated { matched, modified, upserted_id } => Self {
                status: "updated",
                matched: Some(matched),
                modified: Some(modified),
                upserted_id: Some(upserted_id.map(|id| id.to_string())),
                ..Self::default()
            },
            Written::Deleted(deleted) => {
                Self { status: "deleted", deleted: Some(deleted), ..Self::default() }
            }
            Written::Found(found) => {
                let document = found.map(|stored| json::text_of_raw(&stored.document)).transpose()?;
                Self { status: "found", document: Some(document), ..Self::default() }
            }
            Written::Noted => Self { status: "noted", ..Self::default() },
        })
    }
}

fn version(version: u64) -> Option<u64> {
    (version > 0).then_some(version)
}

/// About how much there is to write out.
pub(super) fn bytes_of(written: &Written) -> usize {
    match written {
        Written::Found(Some(stored)) => stored.document.as_bytes().len(),
        _ => 0,
    }
}
