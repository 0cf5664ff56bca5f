//! The bodies of writes to what a query matches, and the writes that they ask for.

use crate::http::change::{Change, sort_fields, update_spec};
use crate::http::fields::Fields;
use crate::http::query::Sort;
use crate::json;
use bundoc::engine::{CollectionName, FindAndModify, Modification, Returning, WriteOp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service_kit::error::ApiError;
use utoipa::ToSchema;

/// Which documents change, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateBody {
    /// Filter; `{}` matches every document.
    #[schema(value_type = Object)]
    query: Box<RawValue>,
    /// Update operators, or fields to set.
    #[schema(value_type = Object)]
    update: Box<RawValue>,
    /// Whether all that match change, or the first in the order of ids.
    #[serde(default)]
    many: bool,
    /// Whether a document is created where none matches.
    #[serde(default)]
    upsert: bool,
    /// What `$[name]` in the update stands for: a filter for each name.
    #[schema(value_type = Option<Vec<Object>>)]
    array_filters: Option<Box<RawValue>>,
}

impl UpdateBody {
    pub(super) fn into_write(self, collection: CollectionName) -> Result<WriteOp, ApiError> {
        Ok(WriteOp::UpdateMatching {
            collection,
            filter: json::read_filter(self.query.get().as_bytes())?,
            change: Modification::Update(update_spec(&self.update, self.array_filters.as_deref())?),
            many: self.many,
            upsert: self.upsert,
        })
    }
}

/// How many documents changed.
#[derive(Serialize, ToSchema)]
pub(super) struct UpdateAnswer {
    /// Documents that matched.
    pub(super) matched: u64,
    /// Documents that are other than before.
    pub(super) modified: u64,
    /// The document that was created because none matched.
    pub(super) upserted_id: Option<String>,
}

/// Which documents are removed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteBody {
    /// Filter; `{}` matches every document.
    #[schema(value_type = Object)]
    query: Box<RawValue>,
    /// Whether all that match are removed, or the first in the order of ids.
    #[serde(default)]
    many: bool,
}

impl DeleteBody {
    pub(super) fn into_write(self, collection: CollectionName) -> Result<WriteOp, ApiError> {
        let filter = json::read_filter(self.query.get().as_bytes())?;
        Ok(WriteOp::DeleteMatching { collection, filter, many: self.many })
    }
}

/// How many documents were removed.
#[derive(Serialize, ToSchema)]
pub(super) struct DeleteAnswer {
    /// Documents.
    pub(super) deleted: u64,
}

/// Which document is changed, replaced or removed, and what is given back of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindAndModifyBody {
    /// Filter; `{}` matches every document.
    #[schema(value_type = Object)]
    query: Box<RawValue>,
    /// Update operators, or fields to set. One of `update`, `replacement` and `remove` is sent.
    #[schema(value_type = Option<Object>)]
    update: Option<Box<RawValue>>,
    /// The document that takes its place.
    #[schema(value_type = Option<Object>)]
    replacement: Option<Box<RawValue>>,
    /// Whether it is removed.
    #[serde(default)]
    remove: bool,
    /// What `$[name]` in the update stands for: a filter for each name.
    #[schema(value_type = Option<Vec<Object>>)]
    array_filters: Option<Box<RawValue>>,
    /// The first in this order is taken; by default that of ids.
    #[schema(value_type = Option<Object>)]
    sort: Option<Sort>,
    /// Whether a document is created where none matches.
    #[serde(default)]
    upsert: bool,
    /// What is given back of it: a list of paths, or a projection.
    #[schema(value_type = Option<Object>)]
    fields: Option<Fields>,
    /// `before` or `after`; by default `before`.
    #[serde(default, rename = "return")]
    #[schema(value_type = Option<String>)]
    returning: ReturningBody,
}

/// Which state of a document is given back.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum ReturningBody {
    #[default]
    Before,
    After,
}

impl From<ReturningBody> for Returning {
    fn from(body: ReturningBody) -> Self {
        match body {
            ReturningBody::Before => Self::Before,
            ReturningBody::After => Self::After,
        }
    }
}

impl FindAndModifyBody {
    pub(super) fn into_write(self, collection: CollectionName) -> Result<WriteOp, ApiError> {
        let change = Change {
            update: self.update.as_deref(),
            replacement: self.replacement.as_deref(),
            remove: self.remove,
            array_filters: self.array_filters.as_deref(),
        };
        Ok(WriteOp::FindAndModify(FindAndModify {
            collection,
            filter: json::read_filter(self.query.get().as_bytes())?,
            sort: sort_fields(self.sort),
            change: change.read()?,
            upsert: self.upsert,
            fields: Fields::projection(self.fields)?,
            returning: self.returning.into(),
        }))
    }
}

/// The document that was found.
#[derive(ToSchema)]
#[allow(dead_code)] // Documented here, written by `json::write_found`.
pub(super) struct ModifyAnswer {
    /// Null where none matched (or, with `before`, where one was created).
    #[schema(value_type = Option<Object>)]
    document: (),
}
