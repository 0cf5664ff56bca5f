//! Variables: what they hold goes in and never out.

use crate::environment::{Changed, Content};
use crate::error::FunctionsError;
use crate::store::variables::VariableRow;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::clock::rfc3339;
use utoipa::ToSchema;

/// What a variable is to hold: one of the two. Not to be printed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutVariable {
    /// This text.
    value: Option<String>,
    /// Whatever the KMS secret of this name holds when workers start.
    secret: Option<String>,
}

impl PutVariable {
    pub(crate) fn content(self) -> Result<Content, FunctionsError> {
        match (self.value, self.secret) {
            (Some(value), None) => Ok(Content::Value(SecretString::from(value))),
            (None, Some(secret)) => Ok(Content::Secret(secret)),
            _ => Err(FunctionsError::Invalid("send `value`, or `secret` with the name of a KMS secret")),
        }
    }
}

/// A variable, without what it holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariableView {
    key: String,
    /// `value` or `secret`.
    kind: String,
    /// The KMS secret that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Goes up with each change.
    version: i64,
    created_at: String,
    updated_at: String,
}

impl From<VariableRow> for VariableView {
    fn from(row: VariableRow) -> Self {
        let kind = if row.secret.is_some() { "secret" } else { "value" };
        Self {
            key: row.key,
            kind: kind.to_owned(),
            secret: row.secret,
            version: row.version,
            created_at: rfc3339(row.created_at),
            updated_at: rfc3339(row.updated_at),
        }
    }
}

/// Variables.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariableList {
    pub(crate) variables: Vec<VariableView>,
}

/// A change that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VariableChange {
    /// The variable; null where it was removed.
    variable: Option<VariableView>,
    /// Functions that do not start with it: their workers go on as they were.
    unchanged: Vec<UnchangedView>,
}

/// A function whose workers go on as they were.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnchangedView {
    function: String,
    reason: String,
}

impl From<Changed> for VariableChange {
    fn from(changed: Changed) -> Self {
        let unchanged = changed.unchanged.into_iter();
        Self {
            variable: changed.row.map(VariableView::from),
            unchanged: unchanged.map(|(function, reason)| UnchangedView { function, reason }).collect(),
        }
    }
}
