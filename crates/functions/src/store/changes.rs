//! The history of a function: what it and its versions became, and when. The newest are kept.

use crate::error::FunctionsError;
use crate::store::versions::VersionRow;
use service_kit::ids::FunctionId;
use sql::{Database, Write};
use sqlx::FromRow;

/// Changes that are kept of one function.
const KEPT: i64 = 100;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Change {
    /// `registered`, `built` or `deployed`.
    pub(crate) state: String,
    /// Ours; empty where the change is none of a version.
    pub(crate) version_id: String,
    /// The developer's name of it.
    pub(crate) version: String,
    /// Milliseconds since the epoch.
    pub(crate) at: i64,
}

impl Change {
    /// The function has a name.
    pub(crate) fn registered(at: i64) -> Self {
        Self { state: "registered".to_owned(), version_id: String::new(), version: String::new(), at }
    }

    /// A version is stored.
    pub(crate) fn built(version: &VersionRow, at: i64) -> Self {
        Self::of("built", version, at)
    }

    /// A version takes calls.
    pub(crate) fn deployed(version: &VersionRow, at: i64) -> Self {
        Self::of("deployed", version, at)
    }

    fn of(state: &str, version: &VersionRow, at: i64) -> Self {
        let (version_id, version) = (version.id.clone(), version.version.to_string());
        Self { state: state.to_owned(), version_id, version, at }
    }
}

pub(crate) async fn insert(
    write: &mut Write,
    function: &FunctionId,
    changes: &[Change],
) -> Result<(), FunctionsError> {
    for change in changes {
        sqlx::query(
            "INSERT INTO function_changes (function_id, state, version_id, version, at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(function.as_str())
        .bind(&change.state)
        .bind(&change.version_id)
        .bind(&change.version)
        .bind(change.at)
        .execute(&mut **write)
        .await?;
    }
    sqlx::query(
        "DELETE FROM function_changes WHERE function_id = $1 AND id NOT IN
         (SELECT id FROM function_changes WHERE function_id = $1 ORDER BY id DESC LIMIT $2)",
    )
    .bind(function.as_str())
    .bind(KEPT)
    .execute(&mut **write)
    .await?;
    Ok(())
}

/// The newest first.
pub(crate) async fn list(database: &Database, function: &FunctionId) -> Result<Vec<Change>, FunctionsError> {
    let rows = sqlx::query_as(
        "SELECT state, version_id, version, at FROM function_changes WHERE function_id = $1 ORDER BY id DESC",
    );
    Ok(rows.bind(function.as_str()).fetch_all(database.read()).await?)
}
